import { checkMethods, checkObject } from "../core/options.ts";
import type { AnyLayer } from "../core/service.ts";
import { type Breaker, type BreakerOptions, createBreaker } from "./breaker.ts";
import { limited } from "./limited.ts";

/** Options of {@link circuitBreaker}. */
export interface CircuitBreakerOptions extends BreakerOptions {
  /** A breaker made elsewhere; the options of a breaker are not looked at then. @default createBreaker(options) */
  readonly breaker?: Breaker;
}

/**
 * Stops calling what fails, so that callers fail at once and the other side can recover.
 *
 * It opens when at least half of at least 20 calls within 10 s failed, refuses calls for 5 s (doubling up to
 * a minute while it does not get better), then lets single calls through to find out. Faults of the caller
 * count as success; a call that the caller cancelled, and one that a limit refused, as neither. A stream counts when it ends.
 *
 * @example
 * ```ts
 * const load = protect(circuitBreaker({ failureRate: 0.25 }), (id: string) => database.load(id));
 * ```
 * @throws TypeError | RangeError when an option is no number or out of range
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): AnyLayer {
  checkObject("circuitBreaker()", options);
  const { breaker: given, ...own } = options;
  checkMethods("circuitBreaker()", "breaker", given, ["acquire", "release", "refusal"], "createBreaker()");
  const breaker = given ?? createBreaker(own);
  return limited(breaker, { clock: breaker.clock });
}
