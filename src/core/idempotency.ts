import type { Idempotency } from "./call.ts";

/**
 * What repeating a call does: what its caller says, else what its method promises, else what an idempotency key
 * promises.
 */
export function idempotencyFrom(
  said: Idempotency | undefined,
  ofMethod: Idempotency | undefined,
  hasKey: boolean,
): Idempotency {
  return said ?? ofMethod ?? (hasKey ? "idempotent" : "unknown");
}
