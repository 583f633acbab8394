import type { Protocol } from "../core/call.ts";
import type { HeaderSource } from "../core/headers.ts";

const grpcShape = /^(\d{1,8})([HMSmun])$/;
const connectShape = /^\d{1,10}$/;
const millisecondsPer: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};
/** The most that eight digits of milliseconds can say: almost 28 hours. */
const maxGrpcMs = 99_999_999;
/** The most that ten digits can say: almost 116 days. */
const maxConnectMs = 9_999_999_999;

/** The header by which a protocol carries the time that remains. */
export function timeoutHeader(protocol: Protocol): "grpc-timeout" | "connect-timeout-ms" {
  return protocol === "connect" ? "connect-timeout-ms" : "grpc-timeout";
}

/**
 * Reads the time that the caller grants, in milliseconds.
 *
 * @returns undefined without the header; NaN when it is malformed, which the protocol must answer with `invalid_argument`
 */
export function readTimeout(protocol: Protocol, headers: HeaderSource): number | undefined {
  const value = headers.get(timeoutHeader(protocol));
  if (value === null || value === undefined) return undefined;
  if (protocol === "connect") return connectShape.test(value) ? Number(value) : Number.NaN;
  const match = grpcShape.exec(value);
  return match === null ? Number.NaN : Number(match[1]) * (millisecondsPer[match[2] as string] as number);
}

/**
 * Writes a time as the protocol's header: an integer of at least 1, rounded up, in the finest unit whose
 * digits suffice (gRPC: at most 8). Undefined when the time is too long to be said, and so no bound at all.
 */
export function formatTimeout(protocol: Protocol, timeoutMs: number): string | undefined {
  const ms = Math.max(1, Math.ceil(timeoutMs));
  if (protocol === "connect") return ms <= maxConnectMs ? String(ms) : undefined;
  if (ms <= maxGrpcMs) return `${ms}m`;
  const seconds = Math.ceil(ms / 1000);
  if (seconds <= maxGrpcMs) return `${seconds}S`;
  const minutes = Math.ceil(seconds / 60);
  return minutes <= maxGrpcMs ? `${minutes}M` : undefined;
}

/** Whether a plain number of milliseconds is what the header would say. */
export function fitsMilliseconds(protocol: Protocol, timeoutMs: number): boolean {
  return timeoutMs <= (protocol === "connect" ? maxConnectMs : maxGrpcMs);
}
