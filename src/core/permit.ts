import type { Call } from "./call.ts";
import type { MeshError } from "./errors.ts";
import type { Outcome } from "./outcome.ts";

/** Permission for one call, to be handed back with its outcome; 0 is a refusal. */
export type Permit = number;

/**
 * What lets calls through or refuses them: a bulkhead, a circuit breaker, a rate limit.
 *
 * It decides from the call and the time alone. Permits are numbers, so that deciding allocates nothing.
 */
export interface Limiter {
  /**
   * Asks for a call to be let through. Each permit is handed back with {@link release}, once.
   *
   * @returns the permit, or 0 when the call must not be made; a promise where calls wait for their turn, which rejects
   *   when the call is cancelled meanwhile
   */
  acquire(call: Call, now: number): Permit | Promise<Permit>;
  /**
   * Hands a permit back. A limit of the rate has no such method: nothing comes back to it.
   *
   * @param remainingMs - what was left until the call's deadline when it was let through
   */
  release?(permit: Permit, outcome: Outcome, remainingMs: number, now: number): void;
  /** The error for a call that was just refused. */
  refusal(call: Call, now: number): MeshError;
}
