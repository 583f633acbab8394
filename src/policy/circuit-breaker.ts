import { type Classifier, defaultClassifier, pending } from "../core/classifier.ts";
import { MeshError } from "../core/errors.ts";
import type { AnyLayer, Service } from "../core/service.ts";
import { type Breaker, type BreakerOptions, createBreaker } from "./breaker.ts";
import { Refusals } from "./refusals.ts";

/** Options of {@link circuitBreaker}. */
export interface CircuitBreakerOptions extends BreakerOptions {
  /** A breaker made elsewhere; the options of a breaker are not looked at then. @default createBreaker(options) */
  readonly breaker?: Breaker;
  /** @default defaultClassifier */
  readonly classifier?: Classifier;
}

/**
 * Stops calling what fails, so that callers fail at once and the other side can recover.
 *
 * It opens when at least half of at least 20 calls within 10 s failed, refuses calls for 5 s (doubling up to
 * a minute while it does not get better), then lets single calls through to find out. Faults of the caller
 * count as success, a call that the caller cancelled as neither. The verdict on a stream falls at its end.
 *
 * @example
 * ```ts
 * const load = protect(circuitBreaker({ failureRate: 0.25 }), (id: string) => database.load(id));
 * ```
 * @throws TypeError | RangeError when an option is no number or out of range
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): AnyLayer {
  const breaker = options.breaker ?? createBreaker(options);
  const { classifier = defaultClassifier } = options;
  const refusals = new Refusals(breaker.clock);

  return function circuitBreakerLayer<Req, Res>(next: Service<Req, Res>): Service<Req, Res> {
    return async function guarded(call, request) {
      const start = breaker.clock.now();
      const permit = breaker.acquire(start);
      if (permit === 0) {
        const turn = refusals.pace();
        if (turn !== undefined) await turn;
        throw new MeshError(
          "ERR_BREAKER_OPEN",
          `Cannot call ${call.service} ${call.operation}: its circuit breaker is ${breaker.state}`,
          { retryAfterMs: Math.ceil(breaker.retryAfterMs(start)) },
        );
      }
      const remainingMs = call.deadline - start;
      try {
        const response = await next(call, request);
        const verdict = classifier.response(call, response);
        if (verdict === pending) call.onEnd((outcome) => breaker.release(permit, outcome, remainingMs));
        else breaker.release(permit, verdict, remainingMs);
        return response;
      } catch (error) {
        breaker.release(permit, classifier.error(call, error), remainingMs);
        throw error;
      }
    };
  };
}
