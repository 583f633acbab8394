import { checkNumber, checkOptions, type OptionKeys } from "../core/options.ts";
import type { Random } from "../core/random.ts";

const knownFullJitterOptions: OptionKeys<FullJitterOptions> = { baseMs: true, maxMs: true };

/** How long to wait after the given failed attempt (1 for the first), in milliseconds. */
export type Backoff = (attempt: number, random: Random) => number;

/** Options of {@link fullJitter}. */
export interface FullJitterOptions {
  /** Upper bound of the first wait; it doubles with every attempt. @default 100 */
  readonly baseMs?: number;
  /** Upper bound of every wait. @default 5000 */
  readonly maxMs?: number;
}

/**
 * Exponential back-off with full jitter: anything between nothing and `baseMs × 2ⁿ`, evenly.
 *
 * Callers that failed together would otherwise come back together. Full jitter spreads them over the whole
 * interval, and needs the fewest calls in all of the usual ways to do so ("Exponential Backoff And Jitter",
 * AWS Architecture Blog, 2015).
 *
 * @throws TypeError | RangeError when an option is no number or out of range
 */
export function fullJitter(options: FullJitterOptions = {}): Backoff {
  checkOptions("fullJitter()", options, knownFullJitterOptions);
  const baseMs = checkNumber("fullJitter()", "baseMs", options.baseMs ?? 100);
  const maxMs = checkNumber("fullJitter()", "maxMs", options.maxMs ?? 5_000);
  return function fullJitterBackoff(attempt, random) {
    return random() * Math.min(maxMs, baseMs * 2 ** (attempt - 1));
  };
}
