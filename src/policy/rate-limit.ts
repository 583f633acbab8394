import type { Call } from "../core/call.ts";
import { MeshError } from "../core/errors.ts";
import type { Limiter } from "../core/permit.ts";

/** What a rate limit found out about one request. */
export interface RateLimitDecision {
  readonly allowed: boolean;
  /** Requests that would be allowed right now, after this one. */
  readonly remaining: number;
  /** Until all of the burst is there again, in milliseconds. */
  readonly resetMs: number;
  /** Until a request like this one is allowed, in milliseconds; 0 when this one was. */
  readonly retryAfterMs: number;
  /** Requests allowed per window, in the long run. */
  readonly limit: number;
  /** In milliseconds. */
  readonly windowMs: number;
}

/** Whose limit it is, in words for the caller, and the option that sets it. */
export interface RateLimitOwner {
  readonly client: string;
  readonly option: string;
}

/** A request that a rate limit refused, with the whole decision so that the response can carry its headers. */
export class RateLimitError extends MeshError {
  override readonly name: string = "RateLimitError";
  readonly decision: RateLimitDecision;

  constructor(decision: RateLimitDecision, owner?: RateLimitOwner) {
    const { limit, windowMs, retryAfterMs } = decision;
    const whose = owner === undefined ? "" : ` for ${owner.client} (option ${owner.option})`;
    super(
      "ERR_RATE_LIMITED",
      `Cannot accept the call: the limit of ${limit} in ${windowMs / 1000} s${whose} is used up; try again in ${Math.ceil(retryAfterMs)} ms`,
      { retryAfterMs },
    );
    this.decision = decision;
  }
}

/** The limiter of a rate, from what decides on each call: {@link limited} asks for the refusal right after. */
export function decisionLimiter(decide: (call: Call) => RateLimitDecision): Limiter {
  let last: RateLimitDecision;
  return {
    acquire(call) {
      last = decide(call);
      return last.allowed ? 1 : 0;
    },
    refusal: () => new RateLimitError(last),
  };
}

/** The header fields of a decision, ready to be set. */
export interface RateLimitHeaders {
  readonly "ratelimit-policy": string;
  readonly ratelimit: string;
  /** Only on a refusal. */
  readonly "retry-after"?: string;
}

/** An RFC 9651 string: what is not printable ASCII cannot be one. */
function quoted(name: string): string {
  return `"${name.replace(/[^ -~]/g, "?").replace(/["\\]/g, "\\$&")}"`;
}

/** The largest integer that a structured field can hold (RFC 9651); larger ones would come out in powers of ten. */
const maxInteger = 999_999_999_999_999;

function integer(value: number): number {
  // NaN, which is not above 0, comes from rates that are next to nothing.
  return value > 0 ? Math.min(Math.floor(value), maxInteger) : 0;
}

/** Whole seconds, never earlier than the truth. */
function seconds(ms: number): number {
  return integer(Math.ceil(ms / 1000));
}

/**
 * Writes a decision as header fields: `RateLimit-Policy` (q: quota, w: window in seconds), `RateLimit`
 * (r: remaining, t: seconds until reset) and, on a refusal, `Retry-After`.
 *
 * The only place that knows the draft's syntax (`draft-ietf-httpapi-ratelimit-headers`), which may still
 * rename its keys.
 *
 * @param policy - the name of the limit. `default` unless given
 */
export function rateLimitHeaders(decision: RateLimitDecision, policy = "default"): RateLimitHeaders {
  const name = policy === "default" ? '"default"' : quoted(policy);
  const fields = {
    "ratelimit-policy": `${name};q=${integer(decision.limit)};w=${seconds(decision.windowMs)}`,
    ratelimit: `${name};r=${integer(decision.remaining)};t=${seconds(decision.resetMs)}`,
  };
  if (decision.allowed) return fields;
  // 0 would invite the client to try again at once, and to be refused again.
  return { ...fields, "retry-after": String(Math.max(1, seconds(decision.retryAfterMs))) };
}
