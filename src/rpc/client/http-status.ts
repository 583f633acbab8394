import type { ConnectError } from "@connectrpc/connect";

const refused: unique symbol = Symbol.for("@datapunk/mesh/http-status");

/** Marks the error of a response that was none of the protocol's with its HTTP status. */
export function withHttpStatus(error: ConnectError, status: number): ConnectError {
  Object.defineProperty(error, refused, { value: status });
  return error;
}

/**
 * The HTTP status that came instead of a response of the protocol; undefined for every error that the server stated in the
 * protocol's own words, whatever its text.
 */
export function httpStatusOf(error: unknown): number | undefined {
  return (error as { readonly [refused]?: number } | null | undefined)?.[refused];
}
