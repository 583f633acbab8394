import { type Call, triedOrigins } from "../core/call.ts";
import { endWithError, nowhereElse } from "../core/classifier.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import type { CallEvent } from "../core/events.ts";
import { checkFunction, checkNumber, checkOptions, type OptionKeys } from "../core/options.ts";
import type { Outcome } from "../core/outcome.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { AnyLayer, Service } from "../core/service.ts";
import { type Backoff, fullJitter } from "./backoff.ts";
import { type RetryBudget, type RetryBudgetOptions, retryBudget } from "./retry-budget.ts";
import { waitFor } from "./wait.ts";

const knownRetryOptions: OptionKeys<RetryOptions> = {
  maxAttempts: true,
  backoff: true,
  budget: true,
  replayable: true,
  discard: true,
  onRetry: true,
  clock: true,
  random: true,
};

/** Options of {@link retry}. */
export interface RetryOptions {
  /** Attempts in all, the first included: 1 to 5. 1 switches retries off. @default 3 */
  readonly maxAttempts?: number;
  /** The wait before the next attempt, where the server did not say. @default fullJitter() */
  readonly backoff?: Backoff;
  /** How many retries the traffic can afford; `false` for no limit. @default retryBudget() */
  readonly budget?: RetryBudget | RetryBudgetOptions | false;
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
  /** Told of each retry before its wait begins; `attempt` is the one that failed. */
  readonly onRetry?: (call: Call, outcome: Outcome, attempt: number, waitMs: number) => void;
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
}

const maxAttemptsCap = 5;

function budgetFrom(budget: RetryOptions["budget"]): RetryBudget | undefined {
  if (budget === false) return undefined;
  if (budget !== undefined && "withdraw" in budget) return budget;
  return retryBudget(budget);
}

type Declined = Extract<CallEvent, { type: "retry-declined" }>["reason"];

/** Whether another attempt could help at all. */
function mayHelp(call: Call, attempt: Call, outcome: Outcome): boolean {
  if (outcome.local || call.cancelled) return false;
  if (outcome.lasting === true && attempt.get(nowhereElse)) return false;
  return outcome.kind === "retryable" || outcome.kind === "rejected";
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
  const who = "retry()";
  checkOptions(who, options, knownRetryOptions);
  const maxAttempts = checkNumber(who, "maxAttempts", options.maxAttempts ?? 3, {
    min: 1,
    max: maxAttemptsCap,
    integer: true,
  });
  const backoff = checkFunction(who, "backoff", options.backoff) ?? fullJitter();
  const replayable = checkFunction(who, "replayable", options.replayable) as
    | ((request: unknown) => boolean)
    | undefined;
  const discard = checkFunction(who, "discard", options.discard) as ((response: unknown) => void) | undefined;
  const onRetry = checkFunction(who, "onRetry", options.onRetry);
  const budget = budgetFrom(options.budget);
  const { clock = systemClock, random = systemRandom } = options;
  if (maxAttempts === 1) return (next) => next;

  /** Milliseconds until the next attempt, or why there is none. */
  function nextAttempt(
    call: Call,
    request: unknown,
    outcome: Outcome,
    attempt: number,
    isFirstRefusal: boolean,
  ): number | Declined {
    if (!outcome.neverStarted && call.idempotency === "unknown") return "not-idempotent";
    if (attempt >= maxAttempts) return "attempts";
    if (replayable !== undefined && !replayable(request)) return "not-replayable";
    const waitMs = outcome.pushbackMs ?? (isFirstRefusal ? 0 : Math.max(0, backoff(attempt, random)));
    if (!(waitMs >= 0 && waitMs < Infinity)) return "pushback";
    const now = clock.now();
    if (now + waitMs >= call.deadline) return "deadline";
    return isFirstRefusal || budget === undefined || budget.withdraw(now) ? waitMs : "budget";
  }

  /** Lets go of a response that nobody will read. */
  function abandon(attempt: Call, response: unknown): void {
    if (discard !== undefined) discard(response);
    else attempt.abort(new MeshError("ERR_CANCELLED", "The attempt was given up for another one"));
  }

  return function retryLayer<Req, Res>(next: Service<Req, Res>): Service<Req, Res> {
    return async function retried(call, request) {
      if (call.retryOwnedUpstream) return next(call, request);
      budget?.deposit(clock.now());
      // What may be repeated here must not be repeated below too; what may not, is left to those below.
      const owned = call.idempotency !== "unknown" && (replayable === undefined || replayable(request));
      let tried: readonly string[] = call.get(triedOrigins);
      let lastError: unknown;
      let lastOutcome: Outcome | undefined;
      let refused = false;
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
        const outcome = failed ? endWithError(fork, error) : fork.outcome;
        if (outcome === undefined) {
          // A response that is still under way: the call ends when this attempt does.
          fork.onEnd((late) => call.end(late));
          return response as Res;
        }
        const isFirstRefusal = outcome.neverStarted && !refused;
        refused ||= outcome.neverStarted;
        const waitMs = mayHelp(call, fork, outcome)
          ? nextAttempt(call, request, outcome, attempt, isFirstRefusal)
          : undefined;
        if (typeof waitMs !== "number") {
          if (waitMs !== undefined) call.note?.({ type: "retry-declined", attempt, outcome, reason: waitMs });
          // A refusal of our own (the breaker opened meanwhile) would hide what really happened.
          if (failed && outcome.local && lastOutcome !== undefined) {
            call.end(lastOutcome);
            throw lastError;
          }
          call.end(outcome);
          if (failed) throw error;
          return response as Res;
        }
        if (!failed) abandon(fork, response);
        call.note?.({ type: "retry", attempt, outcome, waitMs });
        onRetry?.(call, outcome, attempt, waitMs);
        if (fork.endpoint !== undefined) tried = [...tried, fork.endpoint.origin];
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
    };
  };
}
