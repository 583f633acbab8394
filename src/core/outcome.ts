/**
 * The kinds of outcome.
 *
 * - `success`: the server did its work, or the fault is the caller's (4xx).
 * - `failure`: the server failed, and another attempt would not help.
 * - `retryable`: the server or the way to it failed for now.
 * - `rejected`: a limit refused the call, here or there.
 * - `cancelled`: the caller lost interest; says nothing about the server.
 */
export type OutcomeKind = "success" | "failure" | "retryable" | "rejected" | "cancelled";

/** How a call or one of its attempts ended: what retry, breaker, ejection, metrics and tracing read. */
export interface Outcome {
  readonly kind: OutcomeKind;
  /** Short stable name for metrics and logs: `ok`, `unavailable`, `http_503`, `breaker_open`. */
  readonly status: string;
  /** Whether the request provably never reached the server's application. */
  readonly neverStarted: boolean;
  /** Whether this process refused by itself (breaker, limiter): never retried, and no fault of an endpoint. */
  readonly local: boolean;
  /** The server's word on the next attempt: wait so many milliseconds; `Infinity` forbids one. */
  readonly pushbackMs: number | undefined;
  /** There where the fault is this endpoint's own and will not pass by itself (a wrong certificate): only another may do better. */
  readonly lasting?: true;
}

/** Makes an {@link Outcome}; the flags default to false. */
export function outcome(
  kind: OutcomeKind,
  status: string,
  flags: Partial<Pick<Outcome, "neverStarted" | "local" | "pushbackMs" | "lasting">> = {},
): Outcome {
  return {
    kind,
    status,
    neverStarted: flags.neverStarted ?? false,
    local: flags.local ?? false,
    pushbackMs: flags.pushbackMs,
    ...(flags.lasting === true && { lasting: true }),
  };
}

/** Plain success. */
export const ok: Outcome = outcome("success", "ok");
