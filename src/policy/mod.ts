/**
 * Retry, circuit breaker, deadlines, bulkhead and rate limits, each usable alone around any function.
 *
 * @module
 */

export { compose, type ProtectOptions, protect } from "../core/service.ts";
export { type Backoff, type FullJitterOptions, fullJitter } from "./backoff.ts";
export {
  Breaker,
  type BreakerOptions,
  type BreakerSnapshot,
  type BreakerState,
  createBreaker,
} from "./breaker.ts";
export { Bulkhead, type BulkheadOptions, bulkhead, createBulkhead } from "./bulkhead.ts";
export type { CallOverrides } from "./call-policy.ts";
export { type CircuitBreakerOptions, circuitBreaker } from "./circuit-breaker.ts";
export {
  type DeadlineEntry,
  type Deadlines,
  DeadlineWheel,
  type DeadlineWheelOptions,
  deadlinesOf,
} from "./deadline-wheel.ts";
export { type LimitedOptions, limited } from "./limited.ts";
export {
  type RateLimitDecision,
  RateLimitError,
  type RateLimitHeaders,
  rateLimitHeaders,
} from "./rate-limit.ts";
export {
  createRateLimiter,
  RateLimiter,
  type RateLimiterOptions,
  type RateLimitOptions,
  rateLimit,
} from "./rate-limiter.ts";
export { type RetryOptions, retry } from "./retry.ts";
export { type RetryBudget, type RetryBudgetOptions, retryBudget } from "./retry-budget.ts";
export type { RetryPolicy } from "./retry-plan.ts";
export type { OneOrMore, RetryRule, RetryStatus } from "./retry-rule.ts";
export { type AttemptTimeoutOptions, attemptTimeout, type TimeoutOptions, timeout } from "./timeout.ts";
export { createTokenBucket, TokenBucket, type TokenBucketOptions, tokenBucket } from "./token-bucket.ts";
