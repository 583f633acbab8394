import type { Call } from "../core/call.ts";
import { type Classifier, defaultClassifier, pending } from "../core/classifier.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import { checkNumber, checkOptions } from "../core/options.ts";
import type { AnyLayer, Service } from "../core/service.ts";
import { Refusals } from "./refusals.ts";

/** Options of {@link bulkhead}. */
export interface BulkheadOptions {
  /** Calls that run at the same time. @default 100 */
  readonly maxConcurrent?: number;
  /** Calls that wait for their turn; more are refused. 0 for no queue. @default 100 */
  readonly maxQueued?: number;
  /** Tells which responses are streams: those hold their place until they end. @default defaultClassifier */
  readonly classifier?: Classifier;
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * Bounds how many calls run at the same time, so that one slow dependency cannot take everything.
 *
 * Calls above `maxConcurrent` wait in a queue, first come, first served; they leave it when they are
 * cancelled, by a deadline for example. When the queue is full too, a call fails at once with
 * `ERR_BULKHEAD_FULL`: a long queue only turns overload into late answers that nobody waits for.
 *
 * @example
 * ```ts
 * const render = protect(bulkhead({ maxConcurrent: 4, maxQueued: 16 }), (page: string) => renderer.render(page));
 * ```
 * @throws TypeError | RangeError when an option is no integer or out of range
 */
export function bulkhead(options: BulkheadOptions = {}): AnyLayer {
  const who = "bulkhead()";
  checkOptions(who, options);
  const maxConcurrent = checkNumber(who, "maxConcurrent", options.maxConcurrent ?? 100, {
    min: 1,
    integer: true,
  });
  const maxQueued = checkNumber(who, "maxQueued", options.maxQueued ?? 100, { integer: true, max: Infinity });
  const { classifier = defaultClassifier, clock = systemClock } = options;
  const refusals = new Refusals(clock);
  let running = 0;
  // A Set keeps the order of arrival, and lets go of a cancelled call without a search.
  const queue = new Set<() => void>();

  function leave(): void {
    if (queue.size === 0) {
      running--;
      return;
    }
    // The place is handed over, not given back: nobody can slip in between.
    const [first] = queue;
    first?.();
  }

  function turn(call: Call): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        queue.delete(enter);
        remove();
        resolve();
      };
      queue.add(enter);
      const remove = call.onCancel((reason) => {
        queue.delete(enter);
        reject(reason);
      });
    });
  }

  return function bulkheadLayer<Req, Res>(next: Service<Req, Res>): Service<Req, Res> {
    return async function bounded(call, request) {
      if (running < maxConcurrent) running++;
      else if (queue.size < maxQueued) await turn(call);
      else {
        const turn = refusals.pace();
        if (turn !== undefined) await turn;
        throw new MeshError(
          "ERR_BULKHEAD_FULL",
          `Cannot call ${call.service} ${call.operation}: ${running} calls run and ${queue.size} wait already`,
        );
      }
      let streaming = false;
      try {
        const response = await next(call, request);
        if (classifier.response(call, response) === pending) {
          streaming = true;
          call.onEnd(leave);
        }
        return response;
      } finally {
        if (!streaming) leave();
      }
    };
  };
}
