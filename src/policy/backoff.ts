import { checkFunction, checkNumber, checkOptions, type OptionKeys, orDefault } from "../core/options.ts";
import type { Random } from "../core/random.ts";

const knownFullJitterOptions: OptionKeys<FullJitterOptions> = { baseMs: true, maxMs: true, factor: true };

/** How long to wait after the given failed attempt (1 for the first), in milliseconds. */
export type Backoff = (attempt: number, random: Random) => number;

/** Options of {@link fullJitter}. */
export interface FullJitterOptions {
  /** Upper bound of the first wait, in milliseconds; it grows by `factor` with every attempt. @default 100 */
  readonly baseMs?: number;
  /** Upper bound of every wait, in milliseconds. @default 5000 */
  readonly maxMs?: number;
  /** By how much the upper bound grows with every attempt. @default 2 */
  readonly factor?: number;
}

/**
 * Exponential back-off with full jitter: anything between nothing and `baseMs × factorⁿ`, evenly.
 *
 * Callers that failed together would otherwise come back together. Full jitter spreads them over the whole
 * interval, and needs the fewest calls in all of the usual ways to do so ("Exponential Backoff And Jitter",
 * AWS Architecture Blog, 2015).
 *
 * @throws TypeError | RangeError when an option is no number or out of range
 */
export function fullJitter(options: FullJitterOptions = {}): Backoff {
  checkOptions("fullJitter()", options, knownFullJitterOptions);
  const baseMs = checkNumber("fullJitter()", "baseMs", orDefault(options.baseMs, 100));
  const maxMs = checkNumber("fullJitter()", "maxMs", orDefault(options.maxMs, 5_000));
  const factor = checkNumber("fullJitter()", "factor", orDefault(options.factor, 2), { above: true });
  return function fullJitterBackoff(attempt, random) {
    return random() * Math.min(maxMs, baseMs * factor ** (attempt - 1));
  };
}

/**
 * The back-off that is meant: a function, or the options of {@link fullJitter}, as a file may hold them.
 *
 * @throws TypeError | RangeError when it is neither
 */
export function backoffFrom(who: string, given: Backoff | FullJitterOptions | undefined): Backoff {
  if (typeof given === "object" && given !== null) return fullJitter(given);
  return checkFunction(who, "backoff", given) ?? fullJitter();
}
