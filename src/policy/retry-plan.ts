import type { Call } from "../core/call.ts";
import { checkNumber, checkOptions, type OptionKeys, orDefault } from "../core/options.ts";
import type { Outcome } from "../core/outcome.ts";
import { type Backoff, backoffFrom, type FullJitterOptions } from "./backoff.ts";
import { type CheckedRule, type OneOrMore, type RetryRule, rulesFrom } from "./retry-rule.ts";

/** How calls are repeated. */
export interface RetryPolicy {
  /** Attempts in all, the first included: 1 to 5. 1 switches retries off. @default 3 */
  readonly maxAttempts?: number;
  /** The wait before the next attempt, where the server did not say; a function, or options of `fullJitter()`. @default fullJitter() */
  readonly backoff?: Backoff | FullJitterOptions;
  /**
   * Which failures are repeated: the first rule that holds decides, and without one that holds a failure is final. Rules
   * say what is worth repeating, never what is safe: whatever they say, a call that may have started is repeated only
   * when it is idempotent. What never started is repeated once without a rule, unless one forbids it.
   *
   * @default those of the kinds `retryable` and `rejected`
   */
  readonly on?: OneOrMore<RetryRule>;
}

const knownRetryPolicy: OptionKeys<RetryPolicy> = { maxAttempts: true, backoff: true, on: true };

const maxAttemptsCap = 5;

/**
 * Checks how calls are to be repeated.
 *
 * @param known - the keys that exist
 * @throws TypeError | RangeError when it makes no sense
 */
export function checkRetryPolicy(
  who: string,
  retry: unknown,
  known: OptionKeys<RetryPolicy> = knownRetryPolicy,
): void {
  if (retry === false) return;
  if (typeof retry !== "object" || retry === null || Array.isArray(retry)) {
    const shown = typeof retry === "string" ? JSON.stringify(retry) : String(retry);
    throw new TypeError(
      `Cannot make ${who}: retry is ${shown}; pass false, or an object such as { maxAttempts: 2 }`,
    );
  }
  checkOptions(`${who} retry`, retry, known);
  retryPlan(`${who} retry`, retry);
}

/** How calls are repeated, checked and with its defaults. */
export interface RetryPlan {
  readonly maxAttempts: number;
  readonly backoff: Backoff;
  /** Undefined for those that are the default. */
  readonly rules: readonly CheckedRule[] | undefined;
}

/** @throws TypeError | RangeError when an option has the wrong type or is out of range */
export function retryPlan(
  who: string,
  options: { readonly [K in keyof RetryPolicy]: RetryPolicy[K] | undefined },
): RetryPlan {
  return {
    maxAttempts: checkNumber(who, "maxAttempts", orDefault(options.maxAttempts, 3), {
      min: 1,
      max: maxAttemptsCap,
      integer: true,
    }),
    backoff: backoffFrom(who, options.backoff),
    rules: options.on === undefined ? undefined : rulesFrom(who, options.on),
  };
}

/** What is repeated where no rule says otherwise. */
export function mayPass(outcome: Outcome): boolean {
  return outcome.kind === "retryable" || outcome.kind === "rejected";
}

const byDefault: CheckedRule = { retry: true, backoff: undefined, holds: mayPass };

/**
 * The rule by which a failed attempt is worth repeating; undefined when it is not, whatever the call may do.
 *
 * @param isFirstRefusal - whether it never started, and none before it did not
 */
export function ruleFor(
  plan: RetryPlan,
  outcome: Outcome,
  call: Call,
  isFirstRefusal: boolean,
): CheckedRule | undefined {
  if (outcome.local || call.cancelled) return undefined;
  if (plan.rules === undefined) return mayPass(outcome) ? byDefault : undefined;
  if (outcome.status === "ok") return undefined;
  const rule = plan.rules.find(({ holds }) => holds(outcome, call));
  if (rule !== undefined) return rule.retry ? rule : undefined;
  return isFirstRefusal && mayPass(outcome) ? byDefault : undefined;
}
