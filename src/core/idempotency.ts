import type { Idempotency } from "./call.ts";

/**
 * What repeating a call does: what its caller or its policies say, else what its method promises, else what an
 * idempotency key promises. A `true` takes nothing away from what a safe method promises.
 */
export function idempotencyFrom(
  said: boolean | undefined,
  ofMethod: Idempotency | undefined,
  hasKey: boolean,
): Idempotency {
  if (said === false) return "unknown";
  return ofMethod ?? (said === true || hasKey ? "idempotent" : "unknown");
}
