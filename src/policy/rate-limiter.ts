import type { Call } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import {
  checkFunction,
  checkMethods,
  checkNumber,
  checkObject,
  checkOptions,
  type OptionKeys,
  orDefault,
} from "../core/options.ts";
import type { AnyLayer } from "../core/service.ts";
import { limited } from "./limited.ts";
import { decisionLimiter, type RateLimitDecision } from "./rate-limit.ts";

const knownRateLimiterOptions: OptionKeys<RateLimiterOptions> = {
  perMinute: true,
  burst: true,
  maxClients: true,
  clock: true,
};

/** Options of a rate limiter. */
export interface RateLimiterOptions {
  /** Requests per minute and client in the long run. @default 100 */
  readonly perMinute?: number;
  /** Requests that a client may send at once after a pause. @default 20 */
  readonly burst?: number;
  /** Clients that are told apart; all others share one allowance. @default 100000 */
  readonly maxClients?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

const windowMs = 60_000;
/** Entries looked at per decision; more than one, so that they leave faster than they can come. */
const sweepPerDecision = 2;
/** Entries looked at before a newcomer must share. */
const sweepWhenFull = 64;
/** How long an idle entry stays, so that a client who comes and goes does not cost a new one each time. */
const idleMs = windowMs;
const firstCapacity = 64;

/**
 * A token bucket for each of many clients, in one number per client (GCRA: the time at which the bucket is
 * full again). Made by {@link createRateLimiter}.
 *
 * A client whose bucket is full is the same as one never seen, so its entry leaves after a minute: each
 * decision looks at two entries, and no timer is needed. When the table is full of active clients, newcomers
 * share one bucket: memory stays bounded, and a flood of made-up names neither resets the limits of others
 * nor escapes them.
 */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #burst: number;
  readonly #maxClients: number;
  /** Milliseconds per request. */
  readonly #interval: number;
  /** How far ahead of now a client's time may run: its burst. */
  readonly #tolerance: number;
  readonly #index = new Map<string, number>();
  /** The client at an index; undefined where it is free. */
  readonly #clients: (string | undefined)[] = [];
  /** When the bucket at an index is full; a free index links to the next free one. */
  #fullAt: Float64Array = new Float64Array(firstCapacity);
  #free = -1;
  #strangersFullAt = 0;
  /** Where the next look for idle entries starts. */
  #cursor = 0;

  constructor(options: RateLimiterOptions = {}) {
    const who = "createRateLimiter()";
    checkOptions(who, options, knownRateLimiterOptions);
    this.#perMinute = checkNumber(who, "perMinute", orDefault(options.perMinute, 100), { above: true });
    this.#burst = checkNumber(who, "burst", orDefault(options.burst, 20), { min: 1, integer: true });
    this.#maxClients = checkNumber(who, "maxClients", orDefault(options.maxClients, 100_000), {
      min: 1,
      integer: true,
    });
    this.#clock = options.clock ?? systemClock;
    this.#interval = windowMs / this.#perMinute;
    this.#tolerance = this.#interval * this.#burst;
  }

  /** How many clients it keeps track of. */
  get size(): number {
    return this.#index.size;
  }

  /**
   * Decides on one request of a client.
   *
   * @param cost - what it counts for
   * @throws RangeError when `cost` is more than a full bucket holds
   */
  take(client: string, cost = 1): RateLimitDecision {
    if (cost !== 1) checkNumber("a decision", "cost", cost, { max: this.#burst });
    const now = this.#clock.now();
    this.#forgetIdle(now - idleMs, sweepPerDecision);
    const at = this.#find(client, now);
    const before = at < 0 ? this.#strangersFullAt : (this.#fullAt[at] as number);
    const start = Math.max(before, now);
    const after = start + cost * this.#interval;
    // The tolerance makes up for rounding: 20 × 8571.43 is not exactly 171428.6.
    const lackMs = after - now - this.#tolerance - 1e-6;
    const allowed = lackMs <= 0;
    if (allowed) {
      if (at < 0) this.#strangersFullAt = after;
      else this.#fullAt[at] = after;
    }
    const resetMs = (allowed ? after : start) - now;
    return {
      allowed,
      remaining: Math.floor((this.#tolerance - resetMs + 1e-6) / this.#interval),
      resetMs: Math.ceil(resetMs),
      retryAfterMs: allowed ? 0 : Math.ceil(lackMs),
      limit: this.#perMinute,
      windowMs,
    };
  }

  /** Index of the client, new if need be; -1 when it must share. */
  #find(client: string, now: number): number {
    const known = this.#index.get(client);
    if (known !== undefined) return known;
    if (this.#index.size >= this.#maxClients) {
      this.#forgetIdle(now, sweepWhenFull);
      if (this.#index.size >= this.#maxClients) return -1;
    }
    let at = this.#free;
    if (at >= 0) this.#free = this.#fullAt[at] as number;
    else {
      at = this.#clients.length;
      if (at >= this.#fullAt.length) this.#grow();
    }
    this.#clients[at] = client;
    this.#fullAt[at] = now;
    this.#index.set(client, at);
    return at;
  }

  #grow(): void {
    const larger = new Float64Array(Math.min(Math.ceil(this.#fullAt.length * 1.5), this.#maxClients));
    larger.set(this.#fullAt);
    this.#fullAt = larger;
  }

  /** Looks at the next few entries, in turn, and lets those go whose bucket was full by `since`. */
  #forgetIdle(since: number, count: number): void {
    const used = this.#clients.length;
    for (let looked = 0; looked < count && looked < used; looked++) {
      const at = this.#cursor < used ? this.#cursor : 0;
      this.#cursor = at + 1;
      const client = this.#clients[at];
      if (client === undefined || (this.#fullAt[at] as number) > since) continue;
      this.#index.delete(client);
      this.#clients[at] = undefined;
      this.#fullAt[at] = this.#free;
      this.#free = at;
    }
  }
}

/**
 * Makes a rate limiter for many clients.
 *
 * @throws TypeError | RangeError when an option is no number or out of range
 */
export function createRateLimiter(options: RateLimiterOptions = {}): RateLimiter {
  return new RateLimiter(options);
}

/** Options of {@link rateLimit}. */
export interface RateLimitOptions extends RateLimiterOptions {
  /** A limiter made elsewhere; the options of a limiter are not looked at then. @default createRateLimiter(options) */
  readonly limiter?: RateLimiter;
  /**
   * Which client a call counts against.
   *
   * @default the principal's id, else the fingerprint of the peer's certificate, else one for all
   */
  readonly client?: (call: Call) => string;
}

function clientOf(call: Call): string {
  return call.principal?.id ?? call.peer?.fingerprint256 ?? "anonymous";
}

/**
 * Limits how often each client may call; more is refused with `ERR_RATE_LIMITED` and the decision.
 *
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function rateLimit(options: RateLimitOptions = {}): AnyLayer {
  checkObject("rateLimit()", options);
  const { limiter: given, client: named, ...own } = options;
  checkMethods("rateLimit()", "limiter", given, ["take"], "createRateLimiter()");
  const limiter = given ?? createRateLimiter(own);
  const client = checkFunction("rateLimit()", "client", named) ?? clientOf;
  return limited(
    decisionLimiter((call) => limiter.take(client(call))),
    options.clock && { clock: options.clock },
  );
}
