import { type Call, triedOrigins } from "../core/call.ts";
import { endWithError, nowhereElse } from "../core/classifier.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import type { CallEvent } from "../core/events.ts";
import { ignoreRejection, reportLate, reportLost } from "../core/hooks.ts";
import { checkBoolean, checkFunction, checkOptions, type OptionKeys } from "../core/options.ts";
import { type Outcome, ok } from "../core/outcome.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { AnyLayer, Service } from "../core/service.ts";
import type { Backoff } from "./backoff.ts";
import { callPolicyOf } from "./call-policy.ts";
import { type RetryBudget, type RetryBudgetOptions, retryBudgetFrom } from "./retry-budget.ts";
import { mayPass, type RetryPlan, type RetryPolicy, retryPlan, ruleFor } from "./retry-plan.ts";
import { waitFor } from "./wait.ts";

const knownRetryOptions: OptionKeys<RetryOptions> = {
  maxAttempts: true,
  backoff: true,
  on: true,
  budget: true,
  waitForReady: true,
  replayable: true,
  discard: true,
  outcomeOf: true,
  onRetry: true,
  clock: true,
  random: true,
};

/** Options of {@link retry}. */
export interface RetryOptions extends RetryPolicy {
  /** How many retries the traffic can afford; `false` for no limit. @default retryBudget() */
  readonly budget?: RetryBudget | RetryBudgetOptions | false;
  /**
   * Whether calls that never started are repeated until their deadline: such attempts count neither towards
   * `maxAttempts` nor to the budget.
   *
   * @default false
   */
  readonly waitForReady?: boolean;
  /**
   * Whether a request can be sent again. A body that is a stream cannot: the first attempt has read it.
   *
   * @default () => true
   */
  readonly replayable?: (request: never) => boolean;
  /**
   * Releases a response that is given up for another attempt, for example by reading its body to the end so
   * that the connection can be used again. Without it the signal of the attempt aborts.
   */
  readonly discard?: (response: never) => void;
  /**
   * The outcome that a response will have although its body is still under way; asked only where there are rules (`on`).
   *
   * @default none is known
   */
  readonly outcomeOf?: (response: never) => Outcome | undefined;
  /** Told of each retry before its wait begins; `attempt` is the one that failed. */
  readonly onRetry?: (call: Call, outcome: Outcome, attempt: number, waitMs: number) => void;
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
}

type Declined = Extract<CallEvent, { type: "retry-declined" }>["reason"];

/** One attempt that failed, and how its call is repeated. */
interface Failed {
  readonly call: Call;
  readonly request: unknown;
  readonly plan: RetryPlan;
  readonly outcome: Outcome;
  readonly attempt: number;
  /** How many attempts count towards the maximum. */
  readonly counted: number;
  /** Whether it never started, and none before it did not. */
  readonly isFirstRefusal: boolean;
  /** Whether it waits for an endpoint that takes it. */
  readonly waits: boolean;
}

/**
 * Repeats a call that failed, when repeating it is safe and worth it.
 *
 * Never repeated: what may have started and is not known to be idempotent; what the caller cancelled; what
 * this process refused by itself; what the server forbade to repeat (`pushbackMs` of `Infinity`, or one that
 * makes no sense); a request that cannot be replayed; a call that another service up the chain repeats.
 * What never started, because a connection closed or a server let nobody in, is repeated at once the first time,
 * without drawing on the budget: no server has worked for it, and another one is likely to take it.
 * A fault of the endpoint that will not pass by itself, such as a wrong certificate, is taken to another endpoint or not
 * repeated at all.
 * It never waits past the deadline: when the next attempt could not start in time, the caller gets the
 * error at hand at once. After the last attempt the caller gets that attempt's own response or error.
 *
 * Each attempt runs on a fork of the call, marked so that nobody further down repeats it too.
 *
 * @example
 * ```ts
 * const load = protect(retry({ maxAttempts: 4 }), (id: string) => database.load(id));
 * ```
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function retry(options: RetryOptions = {}): AnyLayer {
  const layer = repeating(options);
  return options.maxAttempts === 1 && options.waitForReady !== true ? (next) => next : layer;
}

/**
 * As {@link retry}, and a layer even where nothing is repeated: what a call says of itself (`call.policy`) may ask for it.
 *
 * @param retries - `false`: nothing is repeated that does not ask for it
 */
export function repeating(options: RetryOptions, retries: boolean = true): AnyLayer {
  const who = "retry()";
  checkOptions(who, options, knownRetryOptions);
  const single: RetryPlan = retryPlan(who, { maxAttempts: 1 });
  const usual = retries ? retryPlan(who, options) : single;
  const replayable = checkFunction(who, "replayable", options.replayable) as
    | ((request: unknown) => boolean)
    | undefined;
  const discard = checkFunction(who, "discard", options.discard) as ((response: unknown) => void) | undefined;
  const outcomeOf = checkFunction(who, "outcomeOf", options.outcomeOf) as
    | ((response: unknown) => Outcome | undefined)
    | undefined;
  const onRetry = checkFunction(who, "onRetry", options.onRetry);
  const waitForReady = checkBoolean(who, "waitForReady", options.waitForReady) ?? false;
  const budget = retryBudgetFrom(options.budget);
  const { clock = systemClock, random = systemRandom } = options;

  /** How a call is repeated that says so itself; what it leaves out is as the others have it. */
  function planOf(own: false | RetryPolicy | undefined): RetryPlan {
    if (own === undefined) return usual;
    if (own === false) return single;
    const { maxAttempts = options.maxAttempts, backoff = options.backoff, on = options.on } = own;
    return retryPlan(who, { maxAttempts, backoff, on });
  }

  function waitBy(backoff: Backoff, attempt: number): number {
    const ms: unknown = backoff(attempt, random);
    if (typeof ms === "number") return Math.max(0, ms);
    // One that is asynchronous may reject, and must not end the process.
    ignoreRejection(ms);
    throw new TypeError(
      "Cannot wait for the next attempt: the back-off returned no number; return milliseconds at once",
    );
  }

  /** Milliseconds until the next attempt, or why there is none; undefined when none could help. */
  function nextAttempt(failed: Failed): number | Declined | undefined {
    const { call, request, plan, outcome, attempt, isFirstRefusal, waits } = failed;
    const rule = ruleFor(plan, outcome, call, isFirstRefusal || waits);
    if (rule === undefined) return undefined;
    if (!outcome.neverStarted && call.idempotency === "unknown") return "not-idempotent";
    if (!waits && failed.counted >= plan.maxAttempts) return "attempts";
    if (replayable !== undefined && !replayable(request)) return "not-replayable";
    const backoff = rule.backoff ?? plan.backoff;
    const waitMs = outcome.pushbackMs ?? (isFirstRefusal ? 0 : waitBy(backoff, attempt));
    if (!(waitMs >= 0 && waitMs < Infinity)) return "pushback";
    const now = clock.now();
    if (now + waitMs >= call.deadline) return "deadline";
    if (isFirstRefusal || waits || budget === undefined || budget.withdraw(now)) return waitMs;
    return "budget";
  }

  /** The same; a rule or a back-off that throws must not hide what happened. */
  function decided(failed: Failed): number | Declined | undefined {
    try {
      return nextAttempt(failed);
    } catch (error) {
      reportLost("A rule or a back-off of retry()", error);
      return undefined;
    }
  }

  /** Lets go of a response that nobody will read. */
  function abandon(attempt: Call, response: unknown): void {
    if (discard !== undefined) discard(response);
    else attempt.abort(new MeshError("ERR_CANCELLED", "The attempt was given up for another one"));
  }

  /** What a listener throws must not come in the place of the next attempt. */
  function hear(listener: NonNullable<RetryOptions["onRetry"]>, ...news: Parameters<typeof listener>): void {
    try {
      reportLate("onRetry of retry()", listener(...news));
    } catch (error) {
      reportLost("onRetry of retry()", error);
    }
  }

  return function retryLayer<Req, Res>(next: Service<Req, Res>): Service<Req, Res> {
    return function retriedOrNot(call, request) {
      const own = callPolicyOf(call);
      const plan = own === undefined ? usual : planOf(own.retry);
      const patient = own?.waitForReady ?? waitForReady;
      if (call.retryOwnedUpstream || (plan.maxAttempts === 1 && !patient)) return next(call, request);
      return retried(call, request, plan, patient);
    };

    async function retried(call: Call, request: Req, plan: RetryPlan, patient: boolean): Promise<Res> {
      budget?.deposit(clock.now());
      // What may be repeated here must not be repeated below too; what may not, is left to those below.
      const owned = call.idempotency !== "unknown" && (replayable === undefined || replayable(request));
      let tried: readonly string[] = call.get(triedOrigins);
      let lastError: unknown;
      let lastOutcome: Outcome | undefined;
      let refused = false;
      let uncounted = 0;
      for (let attempt = 1; ; attempt++) {
        const fork = call.fork(attempt);
        fork.retryOwnedUpstream = owned;
        if (tried.length > 0) fork.set(triedOrigins, tried);
        let response: Res | undefined;
        let error: unknown;
        let failed = false;
        try {
          response = await next(fork, request);
        } catch (thrown) {
          failed = true;
          error = thrown;
        }
        const ended = failed ? endWithError(fork, error) : fork.outcome;
        const outcome = ended ?? (plan.rules === undefined ? undefined : outcomeOf?.(response));
        if (outcome === undefined) {
          // A response that is still under way: the call ends when this attempt does.
          fork.onEnd((late) => call.end(late));
          return response as Res;
        }
        const isFirstRefusal = outcome.neverStarted && !refused;
        refused ||= outcome.neverStarted;
        const waits =
          patient && outcome.neverStarted && !outcome.local && mayPass(outcome) && outcome.lasting !== true;
        const counted = attempt - uncounted;
        if (waits) uncounted++;
        const waitMs =
          outcome === ok || (outcome.lasting === true && fork.get(nowhereElse))
            ? undefined
            : decided({ call, request, plan, outcome, attempt, counted, isFirstRefusal, waits });
        if (typeof waitMs !== "number") {
          if (waitMs !== undefined) call.note?.({ type: "retry-declined", attempt, outcome, reason: waitMs });
          // A refusal of our own (the breaker opened meanwhile) would hide what really happened.
          if (failed && outcome.local && lastOutcome !== undefined) {
            call.end(lastOutcome);
            throw lastError;
          }
          if (ended !== undefined) call.end(ended);
          else fork.onEnd((late) => call.end(late));
          if (failed) throw error;
          return response as Res;
        }
        if (ended === undefined) fork.end(outcome);
        if (!failed) abandon(fork, response);
        call.note?.({ type: "retry", attempt, outcome, waitMs });
        if (onRetry !== undefined) hear(onRetry, call, outcome, attempt, waitMs);
        const origin = fork.endpoint?.origin;
        if (origin !== undefined && !tried.includes(origin)) tried = [...tried, origin];
        lastOutcome = failed ? outcome : undefined;
        lastError = error;
        if (waitMs > 0) {
          try {
            await waitFor(call, clock, waitMs);
          } catch (reason) {
            endWithError(call, reason);
            throw reason;
          }
        }
      }
    }
  };
}
