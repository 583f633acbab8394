import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Protocol } from "../../core/call.ts";
import { type HeaderSource, notFieldText } from "../../core/headers.ts";

const connectShape = /^\d{1,10}$/;
/** The units of `grpc-timeout` in milliseconds. */
const grpcUnits: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};
/** The units that a time too long for milliseconds is written in, from fine to coarse. */
const wideUnits = ["S", "M", "H"] as const;
/** The most that the eight digits of gRPC can say; in milliseconds, almost 28 hours. */
const maxGrpcValue = 99_999_999;
/** The most that ten digits can say: almost 116 days. */
const maxConnectMs = 9_999_999_999;

/** The header by which a protocol carries the time that remains. */
export function timeoutHeader(protocol: Protocol): "grpc-timeout" | "connect-timeout-ms" {
  return protocol === "connect" ? "connect-timeout-ms" : "grpc-timeout";
}

/**
 * Reads the time that the caller grants, in milliseconds.
 *
 * @returns undefined without the header; NaN when it is malformed, which the protocol must reject with `invalid_argument`
 */
export function readTimeout(protocol: Protocol, headers: HeaderSource): number | undefined {
  const value = headers.get(timeoutHeader(protocol));
  if (value === null || value === undefined) return undefined;
  if (protocol === "connect") return connectShape.test(value) ? Number(value) : Number.NaN;
  return parseGrpcTimeout(value);
}

/** Reads a `grpc-timeout`, in milliseconds: one to eight digits and a unit; NaN for anything else. */
export function parseGrpcTimeout(value: string): number {
  const digits = value.length - 1;
  const unit = grpcUnits[value.charAt(digits)];
  if (unit === undefined || digits < 1 || digits > 8) return Number.NaN;
  let number = 0;
  for (let at = 0; at < digits; at++) {
    const digit = value.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    number = number * 10 + digit;
  }
  return number * unit;
}

/**
 * Writes a time as the protocol's header: an integer of at least 1, rounded up. Undefined when the time is too long
 * to be said, and so no bound at all.
 */
export function formatTimeout(protocol: Protocol, timeoutMs: number): string | undefined {
  if (protocol !== "connect") return formatGrpcTimeout(timeoutMs);
  const ms = Math.max(1, Math.ceil(timeoutMs));
  return ms <= maxConnectMs ? String(ms) : undefined;
}

/**
 * Writes a `grpc-timeout`: whole milliseconds, or the next coarser unit whose eight digits suffice, rounded up.
 * Undefined when the time is too long for hours.
 *
 * Time that has run out is said to be a nanosecond: the protocol has no zero, and the server must still refuse.
 */
export function formatGrpcTimeout(timeoutMs: number): string | undefined {
  if (timeoutMs <= 0) return "1n";
  const ms = Math.ceil(timeoutMs);
  if (ms <= maxGrpcValue) return `${ms}m`;
  for (const unit of wideUnits) {
    const value = Math.ceil(ms / (grpcUnits[unit] as number));
    if (value <= maxGrpcValue) return `${value}${unit}`;
  }
  return undefined;
}

/** Whether a plain number of milliseconds is what the header would say. */
export function fitsMilliseconds(protocol: Protocol, timeoutMs: number): boolean {
  return timeoutMs <= (protocol === "connect" ? maxConnectMs : maxGrpcValue);
}

/** The content type of an RPC in the binary format. */
export const contentTypeProto = "application/grpc+proto";
/** The content type of an RPC in the JSON format. */
export const contentTypeJson = "application/grpc+json";

/** The encoding of the messages that a content type announces; undefined when it is not gRPC. */
export function formatOf(contentType: string | undefined): "proto" | "json" | undefined {
  switch (contentType) {
    case "application/grpc":
    case contentTypeProto:
      return "proto";
    case contentTypeJson:
      return "json";
    case undefined:
      return undefined;
  }
  const match = /^application\/grpc(?:\+(proto|json))?\s*(?:;.*)?$/i.exec(contentType);
  if (match === null) return undefined;
  return match[1]?.toLowerCase() === "json" ? "json" : "proto";
}

/** The RPC code for a response that is not gRPC, by the mapping of the gRPC specification. */
export function codeFromHttpStatus(status: number): Code {
  switch (status) {
    case 400:
      return Code.Internal;
    case 401:
      return Code.Unauthenticated;
    case 403:
      return Code.PermissionDenied;
    case 404:
      return Code.Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code.Unavailable;
    default:
      return Code.Unknown;
  }
}

const operations = new WeakMap<DescMethod, string>();

/** `package.Service/Method` */
export function operationOf(method: DescMethod): string {
  let operation = operations.get(method);
  if (operation === undefined) {
    operation = `${method.parent.typeName}/${method.name}`;
    operations.set(method, operation);
  }
  return operation;
}

/** Header fields, whatever holds them. */
interface HeaderFields {
  forEach(callback: (value: string, name: string) => void): void;
}

/**
 * Refuses header fields that no response can carry, before anything is sent that would have to be taken back. Some
 * platforms send them all the same, and one ends the process over them.
 *
 * @throws TypeError
 */
export function checkSendable(headers: HeaderFields): void {
  headers.forEach((value, name) => {
    if (typeof value === "string" && !notFieldText.test(value)) return;
    throw new TypeError(
      `Cannot send the header ${JSON.stringify(name)}: its value has a character that no header may have, encode it`,
    );
  });
}
