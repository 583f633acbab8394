import type { Call } from "../core/call.ts";
import { type Classifier, outcomeOfCancelledCall, outcomeOfMeshError } from "../core/classifier.ts";
import type { HeaderSource } from "../core/headers.ts";
import { type Outcome, ok, outcome } from "../core/outcome.ts";
import { pushbackFrom } from "./pushback.ts";

/** Statuses by which a server, or a proxy before it, says that it fails only for now. */
const transient: ReadonlySet<number> = new Set([502, 503, 504]);

/** One shared outcome for each status that carries no pushback; there are at most a few hundred. */
const byStatus = new Map<number, Outcome>();

function plainOutcome(status: number): Outcome {
  if (status < 300) return ok;
  let known = byStatus.get(status);
  if (known === undefined) {
    const kind = status < 500 ? "success" : transient.has(status) ? "retryable" : "failure";
    known = outcome(status === 429 ? "rejected" : kind, `http_${status}`);
    byStatus.set(status, known);
  }
  return known;
}

/**
 * Whether the outcome is known by the status alone, before the body has come: retry acts on it at once. Below that the
 * server did its work when the body has arrived.
 */
export function endsItsCall(status: number): boolean {
  return status >= 500 || status === 429;
}

/**
 * The outcome of an HTTP exchange by its status: up to 4xx the server did its work, 429 is a refusal, 502, 503 and 504
 * pass, every other 5xx stays. The server's word on the next attempt becomes the pushback of 429 and those that pass.
 */
export function outcomeOfStatus(status: number, headers: HeaderSource, wallClock?: () => number): Outcome {
  const plain = plainOutcome(status);
  if (status !== 429 && !transient.has(status)) return plain;
  const pushbackMs = pushbackFrom(headers, wallClock);
  return pushbackMs === undefined ? plain : { ...plain, pushbackMs };
}

/**
 * States how calls of `fetch`, or of another client of HTTP, ended that are wrapped by `protect()`: by status, as those of
 * the mesh's own REST clients.
 *
 * @example
 * ```ts
 * const load = protect(retry(), (id: string) => fetch(`https://api.example.com/${id}`), { classifier: httpClassifier });
 * ```
 */
export const httpClassifier: Classifier<{ readonly status: number; readonly headers: HeaderSource }> = {
  response: (_, { status, headers }) => outcomeOfStatus(status, headers),
  error: outcomeOfError,
};

/** The outcome of an HTTP exchange that failed. */
export function outcomeOfError(call: Call, error: unknown): Outcome {
  return outcomeOfCancelledCall(call) ?? outcomeOfMeshError(error) ?? outcome("retryable", "error");
}
