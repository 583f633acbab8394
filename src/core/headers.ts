/** Reads headers by lower-case name; `Headers`, and the runtimes' own header objects behind a thin wrapper. */
export interface HeaderSource {
  get(name: string): string | null | undefined;
}

/** What methods and names of fields are (RFC 9110, section 5.6.2). */
export const token: RegExp = /^[!#$%&'*+\-.^_`|~\w]+$/;

/**
 * Finds what no field value may hold (RFC 9110, section 5.5): control characters other than the tab, and what is more
 * than a byte. `Headers` lets some of it through.
 */
export const notFieldText: RegExp = /[^\t\x20-\x7e\x80-\xff]/;

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
  /** Priority: 0 matters most. */
  priority: "mesh-priority",
  /** Marks a request as one that may be repeated. */
  idempotencyKey: "idempotency-key",
} as const;
