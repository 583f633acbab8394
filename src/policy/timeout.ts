import type { Call } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import { checkNumber, checkOptions, type OptionKeys } from "../core/options.ts";
import type { AnyLayer, Service } from "../core/service.ts";
import { type Deadlines, deadlinesOf } from "./deadline-wheel.ts";
import { Refusals } from "./refusals.ts";

/** Options of {@link timeout}. */
export interface TimeoutOptions {
  /**
   * Longest time from now until the call ends, in milliseconds. `Infinity` sets no limit of its own, and
   * enforces the deadline that the call came with.
   *
   * @default 30000
   */
  readonly timeoutMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
  /** What watches the deadline. @default deadlinesOf(clock) */
  readonly deadlines?: Deadlines;
}

/** Options of {@link attemptTimeout}. */
export interface AttemptTimeoutOptions extends Omit<TimeoutOptions, "timeoutMs"> {
  /** Longest time that one attempt may take, in milliseconds. @default Infinity */
  readonly timeoutMs?: number;
}

const knownOptions: OptionKeys<TimeoutOptions> = { timeoutMs: true, clock: true, deadlines: true };

function enforce(who: string, what: string, options: TimeoutOptions): AnyLayer {
  checkOptions(who, options, knownOptions);
  const timeoutMs = checkNumber(who, "timeoutMs", options.timeoutMs, { above: true, max: Infinity });
  const { clock = systemClock } = options;
  const deadlines = options.deadlines ?? deadlinesOf(clock);
  const refusals = new Refusals(clock);

  function exceeded(call: Call, startMs: number): MeshError {
    const grantedMs = Math.max(0, Math.round(call.deadline - startMs));
    const { parent } = call;
    const tooLate = parent?.side === "server" && call.side === "client" && parent.deadline <= startMs;
    return new MeshError(
      "ERR_DEADLINE_EXCEEDED",
      `Cannot complete ${what}${call.service} ${call.operation}: ${
        tooLate
          ? `the deadline of ${parent.operation}, in whose handler it was made, passed before it began; pass parent: null to work that outlives its request`
          : `its deadline of ${grantedMs} ms has passed`
      }`,
    );
  }

  function expire(call: Call, startMs: number): void {
    call.note?.({ type: "deadline-exceeded" });
    call.cancel(exceeded(call, startMs));
  }

  function watch(call: Call, startMs: number): void {
    let entry = deadlines.add(call.deadline, due);
    call.onEnd(() => deadlines.remove(entry));

    function due(): void {
      // A server's stream may be granted more time than the call had at first.
      if (clock.now() >= call.deadline && !call.extend()) expire(call, startMs);
      else if (call.deadline !== Infinity) entry = deadlines.add(call.deadline, due);
    }
  }

  return function timeoutLayer<Req, Res>(next: Service<Req, Res>): Service<Req, Res> {
    return function timed(call, request) {
      // A server's adapter listens itself, and responds when the call is cancelled: here, on most platforms even asking for
      // that would make an AbortController. And its call has just begun, so the clock need not be read again.
      const server = call.side === "server";
      const now = server ? call.startedAt : clock.now();
      if (now + timeoutMs < call.deadline) call.deadline = now + timeoutMs;
      if (call.deadline <= now && !call.cancelled) expire(call, now);
      if (call.deadline <= now || (!server && call.cancelled)) return refusals.refuse(call, call.reason);
      const result = next(call, request);
      if (call.deadline === Infinity) return result;
      if (server || !(result instanceof Promise)) {
        // A response that is still under way keeps its deadline until it ends.
        if (call.outcome === undefined) watch(call, now);
        return result;
      }
      return new Promise<Res>((resolve, reject) => {
        // Told within the cancelling, so that the caller gets the reason, and not what it does to the work below.
        call.onCancel(reject);
        watch(call, now);
        result.then(resolve, reject);
      });
    };
  };
}

/**
 * Gives a call an absolute deadline, the earlier of its own and the inherited one, and enforces it.
 *
 * When it passes, the work is cancelled and the caller gets `ERR_DEADLINE_EXCEEDED`, whether or not the
 * work listens. It also gets the reason at once when it cancels the call itself. A deadline is never
 * enforced early; how late depends on `deadlines` (5 ms by default).
 *
 * @example
 * ```ts
 * const load = protect(timeout({ timeoutMs: 2_000 }), (id: string, call) => fetch(url(id), { signal: call.signal }));
 * ```
 * @throws TypeError | RangeError when `timeoutMs` is no number above 0
 */
export function timeout(options: TimeoutOptions = {}): AnyLayer {
  checkOptions("timeout()", options, knownOptions);
  return enforce("timeout()", "", { ...options, timeoutMs: options.timeoutMs ?? 30_000 });
}

/**
 * Bounds one attempt: put it inside of a retry, where each attempt has a call of its own.
 *
 * An attempt gets `timeoutMs` or what remains of the whole call, whichever is less, so that an endpoint
 * that accepts and never responds costs one attempt and not the call.
 *
 * @throws TypeError | RangeError when `timeoutMs` is no number above 0
 */
export function attemptTimeout(options: AttemptTimeoutOptions = {}): AnyLayer {
  checkOptions("attemptTimeout()", options, knownOptions);
  if (options.timeoutMs === undefined || options.timeoutMs === Infinity) return (next) => next;
  return enforce("attemptTimeout()", "an attempt of ", options);
}
