import type { Call } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { checkMethods } from "../core/options.ts";
import type { Limiter, Permit } from "../core/permit.ts";
import type { AnyLayer, Service } from "../core/service.ts";
import { Refusals } from "./refusals.ts";

/** Options of {@link limited}. */
export interface LimitedOptions {
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * Puts a limiter (a bulkhead, a circuit breaker, a rate limit) around a service: a call that it refuses fails with the
 * limiter's error, one that it lets through holds its permit until the call ends, a stream's end included.
 *
 * It responds at once when the limiter and the service do. A server's refusals are thrown at once as well; a client's
 * leave one turn of the event loop free now and then, so that a loop which calls again at once blocks nobody.
 */
export function limited(limiter: Limiter, options: LimitedOptions = {}): AnyLayer {
  checkMethods(
    "limited()",
    "limiter",
    limiter,
    ["acquire", "refusal"],
    "createBulkhead() or another Limiter",
  );
  const { clock = systemClock } = options;
  const refusals = new Refusals(clock);

  function refuse(call: Call, now: number): Promise<never> {
    const error = limiter.refusal(call, now);
    call.note?.({ type: "refused", error });
    return refusals.refuse(call, error);
  }

  return function limitedLayer<Req, Res>(next: Service<Req, Res>): Service<Req, Res> {
    function enter(
      permit: Permit,
      call: Call,
      request: Req,
      now: number,
      waited = false,
    ): Res | Promise<Res> {
      if (permit === 0) return refuse(call, now);
      if (limiter.release !== undefined) {
        const remainingMs = call.deadline - now;
        // At once for a call that ended while it waited for its turn.
        call.onEnd((outcome) => limiter.release?.(permit, outcome, remainingMs, clock.now()));
      }
      if (waited) call.throwIfCancelled();
      return next(call, request);
    }

    return function limitedService(call, request) {
      const now = clock.now();
      const permit = limiter.acquire(call, now);
      if (typeof permit === "number") return enter(permit, call, request, now);
      return permit.then((late) => enter(late, call, request, clock.now(), true));
    };
  };
}
