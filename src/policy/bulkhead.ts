import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import { checkNumber, checkOptions, type OptionKeys, orDefault } from "../core/options.ts";
import type { Limiter, Permit } from "../core/permit.ts";
import type { AnyLayer } from "../core/service.ts";
import { limited } from "./limited.ts";

const knownBulkheadOptions: OptionKeys<BulkheadOptions> = {
  maxConcurrent: true,
  maxQueued: true,
  clock: true,
};

/** Options of a bulkhead. */
export interface BulkheadOptions {
  /** Calls that run at the same time. @default 100 */
  readonly maxConcurrent?: number;
  /** Calls that wait for their turn; more are refused. 0 for no queue. @default 100 */
  readonly maxQueued?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * The state of one bulkhead, to share it between layers or to read it. Made by {@link createBulkhead}.
 */
export class Bulkhead implements Limiter {
  readonly #maxConcurrent: number;
  readonly #maxQueued: number;
  #running = 0;
  // A Set keeps the order of arrival, and lets go of a cancelled call without a search.
  readonly #queue = new Set<() => void>();

  constructor(options: BulkheadOptions = {}) {
    const who = "bulkhead()";
    checkOptions(who, options, knownBulkheadOptions);
    this.#maxConcurrent = checkNumber(who, "maxConcurrent", orDefault(options.maxConcurrent, 100), {
      min: 1,
      max: Infinity,
      integer: true,
    });
    this.#maxQueued = checkNumber(who, "maxQueued", orDefault(options.maxQueued, 100), {
      integer: true,
      max: Infinity,
    });
  }

  /** Calls that run now. */
  get running(): number {
    return this.#running;
  }

  /** Calls that wait for their turn. */
  get queued(): number {
    return this.#queue.size;
  }

  acquire(call: Call): Permit | Promise<Permit> {
    if (this.#running < this.#maxConcurrent) {
      this.#running++;
      return 1;
    }
    return this.#queue.size < this.#maxQueued ? this.#turn(call) : 0;
  }

  release(): void {
    if (this.#queue.size === 0) {
      this.#running--;
      return;
    }
    // The place is handed over, not given back: nobody can slip in between.
    const [first] = this.#queue;
    first?.();
  }

  refusal(call: Call): MeshError {
    return new MeshError(
      "ERR_BULKHEAD_FULL",
      call.side === "server"
        ? `The service is busy: ${this.#running} requests run already`
        : `Cannot call ${call.service} ${call.operation}: ${this.#running} calls run and ${this.#queue.size} wait already`,
    );
  }

  #turn(call: Call): Promise<Permit> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        this.#queue.delete(enter);
        remove();
        resolve(1);
      };
      this.#queue.add(enter);
      const remove = call.onCancel((reason) => {
        this.#queue.delete(enter);
        reject(reason);
      });
    });
  }
}

/**
 * Makes the state of a bulkhead.
 *
 * @throws TypeError | RangeError when an option is no integer or out of range
 */
export function createBulkhead(options: BulkheadOptions = {}): Bulkhead {
  return new Bulkhead(options);
}

/**
 * Bounds how many calls run at the same time, so that one slow dependency cannot take everything. A call runs until it
 * ends, a stream's end included.
 *
 * Calls above `maxConcurrent` wait in a queue, first come, first served; they leave it when they are
 * cancelled, by a deadline for example. When the queue is full too, a call fails at once with
 * `ERR_BULKHEAD_FULL`: a long queue only turns overload into late responses that nobody waits for.
 *
 * @example
 * ```ts
 * const render = protect(bulkhead({ maxConcurrent: 4, maxQueued: 16 }), (page: string) => renderer.render(page));
 * ```
 * @throws TypeError | RangeError when an option is no integer or out of range
 */
export function bulkhead(options: BulkheadOptions = {}): AnyLayer {
  return limited(createBulkhead(options), options.clock && { clock: options.clock });
}
