import type { Clock } from "../core/clock.ts";
import { RateLimitError } from "../policy/rate-limit.ts";
import { createRateLimiter, type RateLimiter, type RateLimiterOptions } from "../policy/rate-limiter.ts";

/** A limit per client; see `createRateLimiter`. */
export type ClientLimit = Omit<RateLimiterOptions, "clock">;

/** Separate limits for each kind of name, so that a client cannot use up another's by having the same name. */
export interface ClientLimiters {
  readonly peer: RateLimiter;
  readonly token: RateLimiter;
  readonly address: RateLimiter;
}

/** A limiter with the options of a server; none where it is switched off. */
export function limiterFrom(options: ClientLimit | false, clock: Clock): RateLimiter | undefined {
  return options === false ? undefined : createRateLimiter({ ...options, clock });
}

/** One limiter for each kind of client. */
export function limitersFrom(options: ClientLimit | false, clock: Clock): ClientLimiters | undefined {
  if (options === false) return undefined;
  const make = (): RateLimiter => createRateLimiter({ ...options, clock });
  return { peer: make(), token: make(), address: make() };
}

/**
 * Takes one request out of a client's allowance.
 *
 * @throws RateLimitError when it is used up
 */
export function take(limiter: RateLimiter, client: string): void {
  const decision = limiter.take(client);
  if (!decision.allowed) throw new RateLimitError(decision);
}
