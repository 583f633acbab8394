import type { Call } from "../core/call.ts";
import type { TransportFault } from "../core/errors.ts";

/** Faults in words. */
export const wordsOf: Readonly<Record<TransportFault, string>> = {
  refused: "the connection was refused",
  dns: "the name is unknown",
  unreachable: "the host cannot be reached",
  tls: "the TLS handshake failed",
  "no-http2": "the server speaks HTTP/1.1 alone",
  "never-started": "the request was never sent",
  reset: "the connection was reset",
  closed: "the connection was closed",
  unknown: "the connection failed",
};

/** A service and its endpoint, as errors name them; one that is called by its URL has no other name. */
export function placeOf({ service }: Call, origin: string): string {
  return origin.endsWith(`//${service}`) ? origin : `${service} at ${origin}`;
}

/** The error of a `fetch` that returned something else than a response. */
export function noResponse({ service, operation }: Call, cause: unknown): TypeError {
  const text = `Cannot read the response of ${service} ${operation}: fetch returned none; have it return a Response`;
  return new TypeError(text, { cause });
}
