import { checkNumber, checkOptions, type OptionKeys, orDefault } from "../core/options.ts";

const knownRetryBudgetOptions: OptionKeys<RetryBudgetOptions> = {
  ratio: true,
  minPerSecond: true,
  windowMs: true,
};

/** Options of a retry budget. */
export interface RetryBudgetOptions {
  /** Retries allowed as a share of the calls in the window. @default 0.2 */
  readonly ratio?: number;
  /** Retries allowed on top, per second, so that a client with few calls may retry at all. @default 10 */
  readonly minPerSecond?: number;
  /** How far back calls and retries count, in milliseconds. @default 10000 */
  readonly windowMs?: number;
}

/** Decides how many retries the traffic as a whole can afford. */
export interface RetryBudget {
  /** Counts a call (not its retries). */
  deposit(now: number): void;
  /** Takes one retry out of the budget; false when there is none left. */
  withdraw(now: number): boolean;
  /** How many retries are left right now. */
  balance(now: number): number;
}

const slots = 10;

class SlidingRetryBudget implements RetryBudget {
  readonly #ratio: number;
  readonly #reserve: number;
  readonly #slotMs: number;
  /** Calls of slot i at 2i, retries at 2i + 1. */
  readonly #counts = new Float64Array(slots * 2);
  #slot = 0;
  #calls = 0;
  #retries = 0;

  constructor(ratio: number, reserve: number, windowMs: number) {
    this.#ratio = ratio;
    this.#reserve = reserve;
    this.#slotMs = windowMs / slots;
  }

  deposit(now: number): void {
    const at = this.#turn(now);
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#calls++;
  }

  withdraw(now: number): boolean {
    const at = this.#turn(now) + 1;
    if (this.#left() < 1) return false;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#retries++;
    return true;
  }

  balance(now: number): number {
    this.#turn(now);
    return Math.max(0, Math.floor(this.#left()));
  }

  #left(): number {
    // The tolerance keeps 0.2 × 35 from being 6.999….
    return this.#ratio * this.#calls + this.#reserve - this.#retries + 1e-9;
  }

  /** Empties the slots that have left the window; returns where the current one starts. */
  #turn(now: number): number {
    const slot = Math.floor(now / this.#slotMs);
    if (slot > this.#slot) {
      const gone = Math.min(slot - this.#slot, slots);
      for (let step = 1; step <= gone; step++) {
        const at = ((this.#slot + step) % slots) * 2;
        this.#calls -= this.#counts[at] as number;
        this.#retries -= this.#counts[at + 1] as number;
        this.#counts[at] = 0;
        this.#counts[at + 1] = 0;
      }
      if (gone === slots) this.#counts.fill(0);
      this.#slot = slot;
    }
    return (this.#slot % slots) * 2;
  }
}

/**
 * Makes a retry budget: at most `ratio` of the calls in the window, plus a small constant rate.
 *
 * Why a budget and not only a maximum per call: with three attempts per call, a service that fails
 * completely gets three times its normal load exactly when it can bear the least, and in a chain of
 * services the factors multiply. A maximum cannot tell one unlucky call from an outage; a budget can.
 * When one call in a hundred fails, each is retried as often as it may be; when all of them fail, retries
 * add a fifth to the load and no more, whatever the maximum says. The constant rate is there because a
 * share of almost no calls is no retry at all.
 *
 * One budget can be shared by several retries that go to the same service.
 *
 * @throws TypeError | RangeError when an option is no number or out of range
 */
export function retryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  const who = "retryBudget()";
  checkOptions(who, options, knownRetryBudgetOptions);
  const windowMs = checkNumber(who, "windowMs", orDefault(options.windowMs, 10_000), { above: true });
  const minPerSecond = checkNumber(who, "minPerSecond", orDefault(options.minPerSecond, 10));
  const ratio = checkNumber(who, "ratio", orDefault(options.ratio, 0.2));
  return new SlidingRetryBudget(ratio, (minPerSecond * windowMs) / 1000, windowMs);
}

/**
 * The budget that is meant: one that there is, or a new one; undefined for no limit.
 *
 * @throws TypeError | RangeError when it is none
 */
export function retryBudgetFrom(
  given: RetryBudget | RetryBudgetOptions | false | undefined,
): RetryBudget | undefined {
  if (given === false) return undefined;
  if (typeof given === "object" && given !== null && "withdraw" in given) return given;
  return retryBudget(given);
}
