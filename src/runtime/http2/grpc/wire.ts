import { Code } from "@connectrpc/connect";

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

/** The RPC code for an answer that is not gRPC, by the mapping of the gRPC specification. */
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

/** The units of `grpc-timeout` in milliseconds, from fine to coarse. */
const timeoutUnits: readonly (readonly [unit: string, ms: number])[] = [
  ["n", 1e-6],
  ["u", 1e-3],
  ["m", 1],
  ["S", 1_000],
  ["M", 60_000],
  ["H", 3_600_000],
];

/** The largest number the header can carry: eight digits. */
const maxTimeoutDigits = 99_999_999;

/**
 * Writes a `grpc-timeout`: whole milliseconds, in a coarser unit (rounded up) where eight digits are too few.
 *
 * Anything at or below zero becomes `1n`: the protocol has no zero, and the server must still refuse the call.
 */
export function formatTimeout(timeoutMs: number): string {
  if (timeoutMs <= 0) return "1n";
  const whole = Math.ceil(timeoutMs);
  if (whole <= maxTimeoutDigits) return `${whole}m`;
  for (const [unit, ms] of timeoutUnits) {
    const value = Math.ceil(timeoutMs / ms);
    if (ms > 1 && value <= maxTimeoutDigits) return `${value}${unit}`;
  }
  return `${maxTimeoutDigits}H`;
}

/** Reads a `grpc-timeout`, in milliseconds; undefined when it is malformed. */
export function parseTimeout(value: string): number | undefined {
  const match = /^(\d{1,8})([numSMH])$/.exec(value);
  if (match === null) return undefined;
  for (const [unit, ms] of timeoutUnits) if (unit === match[2]) return Number(match[1]) * ms;
  return undefined;
}
