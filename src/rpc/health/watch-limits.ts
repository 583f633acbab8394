import type { Connection } from "../../core/connection.ts";
import { MeshError } from "../../core/errors.ts";
import { checkNumber, orDefault } from "../../core/options.ts";

/** How many may watch the health of a server. */
export interface WatchLimits {
  readonly maxWatches: number;
  readonly maxWatchesPerConnection: number;
}

/**
 * The limits that options ask for.
 *
 * @throws TypeError | RangeError when one is no integer of at least 1
 */
export function watchLimitsFrom(who: string, options: Partial<WatchLimits> = {}): WatchLimits {
  const check = (name: keyof WatchLimits, value: number): number =>
    checkNumber(who, `health.${name}`, orDefault(options[name], value), {
      min: 1,
      max: Infinity,
      integer: true,
    });
  return {
    maxWatches: check("maxWatches", 1_000),
    maxWatchesPerConnection: check("maxWatchesPerConnection", 100),
  };
}

/**
 * Counts those who watch: a watch has no deadline, and past the chain no limit but this.
 */
export class WatchCounter {
  readonly #limits: WatchLimits;
  readonly #byConnection = new WeakMap<Connection, number>();
  #all = 0;

  constructor(limits: WatchLimits) {
    this.#limits = limits;
  }

  /**
   * Counts one more; the returned function counts it off again.
   *
   * @throws MeshError `ERR_BULKHEAD_FULL` when there are too many
   */
  take(connection: Connection): () => void {
    const { maxWatches, maxWatchesPerConnection } = this.#limits;
    const here = this.#byConnection.get(connection) ?? 0;
    if (here >= maxWatchesPerConnection) {
      throw tooMany(`This connection watches health ${here} times already: share one watch`);
    }
    if (this.#all >= maxWatches) throw tooMany(`Health is watched ${this.#all} times already: ask by Check`);
    this.#all++;
    this.#byConnection.set(connection, here + 1);
    return () => {
      this.#all--;
      this.#byConnection.set(connection, (this.#byConnection.get(connection) ?? 1) - 1);
    };
  }
}

function tooMany(message: string): MeshError {
  return new MeshError("ERR_BULKHEAD_FULL", message);
}
