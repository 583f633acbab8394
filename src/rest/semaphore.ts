import type { Call } from "../core/call.ts";

interface Lane {
  active: number;
  /** Callers that wait for a slot, first come first served; a Set so that one can leave from the middle. */
  readonly waiting: Set<() => void>;
}

/** Bounds how many exchanges run at once with each origin; those beyond wait in line. */
export class Semaphore {
  readonly #limit: number;
  readonly #lanes = new Map<string, Lane>();
  #active = 0;
  #onIdle: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a slot at once if one is free; false when the caller has to {@link wait}. */
  tryTake(origin: string): boolean {
    let lane = this.#lanes.get(origin);
    if (lane === undefined) {
      lane = { active: 0, waiting: new Set() };
      this.#lanes.set(origin, lane);
    }
    if (lane.active >= this.#limit) return false;
    lane.active++;
    this.#active++;
    return true;
  }

  /** Waits for a slot; rejects with the call's reason, and leaves the line, when the call is cancelled. */
  wait(origin: string, call: Call): Promise<void> {
    const lane = this.#lanes.get(origin)!;
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        leave();
        resolve();
      };
      lane.waiting.add(enter);
      const leave = call.onCancel((reason) => {
        lane.waiting.delete(enter);
        reject(reason);
      });
    });
  }

  /** Gives a slot back, to the first in line if there is one. */
  give(origin: string): void {
    const lane = this.#lanes.get(origin)!;
    for (const next of lane.waiting) {
      lane.waiting.delete(next);
      next();
      return;
    }
    lane.active--;
    this.#active--;
    // Endpoints come and go: a lane nobody uses must not stay.
    if (lane.active === 0) this.#lanes.delete(origin);
    if (this.#active === 0) this.#onIdle?.();
  }

  /** Resolves when no slot is taken. */
  idle(): Promise<void> {
    if (this.#active === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#onIdle;
      this.#onIdle = () => {
        before?.();
        resolve();
      };
    });
  }
}
