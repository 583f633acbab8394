import type { Outcome } from "../../src/core/outcome.ts";
import { type Breaker, type BreakerOptions, createBreaker } from "../../src/policy/breaker.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** What {@link breakerScenario} sets up. */
export interface BreakerScenario {
  readonly clock: VirtualClock;
  readonly breaker: Breaker;
  /** Its changes of state so far. */
  readonly changes: readonly string[];
}

/** A breaker on a virtual clock, without jitter. */
export function breakerScenario(options: BreakerOptions = {}): BreakerScenario {
  const clock = new VirtualClock();
  const changes: string[] = [];
  const breaker = createBreaker({
    clock,
    random: () => 0,
    onStateChange: (to, from) => changes.push(`${from} → ${to}`),
    ...options,
  });
  return { clock, breaker, changes };
}

/** Lets so many calls through and states the same outcome for all of them. */
export function feed(breaker: Breaker, count: number, stated: Outcome, remainingMs?: number): void {
  for (let call = 0; call < count; call++) breaker.release(breaker.acquire(), stated, remainingMs);
}
