import { type Clock, systemClock } from "../core/clock.ts";
import { checkNumber, checkOptions, type OptionKeys, orDefault } from "../core/options.ts";
import type { AnyLayer } from "../core/service.ts";
import { limited } from "./limited.ts";
import { decisionLimiter, type RateLimitDecision } from "./rate-limit.ts";

const knownTokenBucketOptions: OptionKeys<TokenBucketOptions> = {
  refillPerMinute: true,
  burst: true,
  clock: true,
};

/** Options of a token bucket. */
export interface TokenBucketOptions {
  /** Tokens that flow in per minute. @default 100 */
  readonly refillPerMinute?: number;
  /** Tokens that it holds at most, and at first. @default 20 */
  readonly burst?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** A bucket that tokens flow into at a steady rate, and calls take them out of. Made by {@link createTokenBucket}. */
export class TokenBucket {
  /** What it measures time with. */
  readonly clock: Clock;
  readonly #perMs: number;
  readonly #perMinute: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  constructor(options: TokenBucketOptions = {}) {
    const who = "createTokenBucket()";
    checkOptions(who, options, knownTokenBucketOptions);
    this.#perMinute = checkNumber(who, "refillPerMinute", orDefault(options.refillPerMinute, 100), {
      above: true,
    });
    this.#burst = checkNumber(who, "burst", orDefault(options.burst, 20), { min: 1 });
    this.clock = options.clock ?? systemClock;
    this.#perMs = this.#perMinute / 60_000;
    this.#tokens = this.#burst;
    this.#filledAt = this.clock.now();
  }

  /** Tokens in it now, fractions included. */
  get tokens(): number {
    this.#fill();
    return this.#tokens;
  }

  /**
   * Takes `count` tokens if they are there, and says what it found.
   *
   * @throws RangeError when more are asked for than it can ever hold
   */
  take(count = 1): RateLimitDecision {
    checkNumber("a decision", "count", count, { max: this.#burst });
    this.#fill();
    // The tolerance makes up for the rounding of many small refills.
    const allowed = this.#tokens + 1e-9 >= count;
    const retryAfterMs = allowed ? 0 : Math.ceil((count - this.#tokens) / this.#perMs);
    if (allowed) this.#tokens = Math.max(0, this.#tokens - count);
    return {
      allowed,
      remaining: Math.floor(this.#tokens + 1e-9),
      resetMs: Math.ceil((this.#burst - this.#tokens) / this.#perMs),
      retryAfterMs,
      limit: this.#perMinute,
      windowMs: 60_000,
    };
  }

  #fill(): void {
    const now = this.clock.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
  }
}

/**
 * Makes a token bucket; it counts elapsed time and needs no timer.
 *
 * @throws TypeError | RangeError when an option is no number or out of range
 */
export function createTokenBucket(options: TokenBucketOptions = {}): TokenBucket {
  return new TokenBucket(options);
}

/**
 * Limits the rate of all calls together: each takes a token, and without one it is refused with
 * `ERR_RATE_LIMITED`. To limit each client on its own, see `rateLimit`.
 *
 * @example
 * ```ts
 * const send = protect(tokenBucket({ refillPerMinute: 600, burst: 10 }), (mail: Mail) => smtp.send(mail));
 * ```
 * @throws TypeError | RangeError when an option is no number or out of range
 */
export function tokenBucket(options: TokenBucketOptions | TokenBucket = {}): AnyLayer {
  const bucket = options instanceof TokenBucket ? options : createTokenBucket(options);
  return limited(
    decisionLimiter(() => bucket.take()),
    { clock: bucket.clock },
  );
}
