/** Reads headers by lower-case name; `Headers`, and the runtimes' own header objects behind a thin face. */
export interface HeaderSource {
  get(name: string): string | null | undefined;
}

/**
 * Header fields that speak of one connection and mean nothing on the next (RFC 9110, section 7.6.1; RFC 9113,
 * section 8.2.2): never passed on, and never a handler's to set.
 */
export const connectionFields: ReadonlySet<string> = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** The headers by which the mesh carries a call's context over REST; RPC uses the same ones as metadata. */
export const meshHeaders = {
  /** Identifies the request across services. */
  requestId: "x-request-id",
  /** W3C Trace Context. */
  traceparent: "traceparent",
  tracestate: "tracestate",
  /** Milliseconds that remain until the deadline: a non-negative integer of at most 10 digits. */
  timeout: "mesh-timeout-ms",
  /** Number of the attempt, from 1. */
  attempt: "mesh-attempt",
  /** `never` says that a service up the chain retries, so nobody further down must. */
  retry: "mesh-retry",
  /** Priority: 0 is shed last. */
  priority: "mesh-priority",
  /** Marks a request as one that may be repeated. */
  idempotencyKey: "idempotency-key",
} as const;
