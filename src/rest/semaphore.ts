import type { Call } from "../core/call.ts";

/** The calls to one origin. */
interface OriginQueue {
  active: number;
  /** Callers that wait for a slot, first come first served; a Set so that one can leave from the middle. */
  readonly waiting: Set<() => void>;
}

/** Bounds how many exchanges run at once with each origin; those beyond wait in line. */
export class Semaphore {
  readonly #limit: number;
  readonly #queues = new Map<string, OriginQueue>();
  #active = 0;
  #onIdle: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a slot at once if one is free; false when the caller has to {@link wait}. */
  tryTake(origin: string): boolean {
    const queue = this.#queueOf(origin);
    if (queue.active >= this.#limit) return false;
    queue.active++;
    this.#active++;
    return true;
  }

  /** Waits for a slot; rejects with the call's reason, and leaves the line, when the call is cancelled. */
  wait(origin: string, call: Call): Promise<void> {
    const queue = this.#queueOf(origin);
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        leave();
        resolve();
      };
      queue.waiting.add(enter);
      const leave = call.onCancel((reason) => {
        queue.waiting.delete(enter);
        reject(reason);
      });
    });
  }

  /** Gives a slot back, to the first in line if there is one. */
  give(origin: string): void {
    const queue = this.#queueOf(origin);
    for (const next of queue.waiting) {
      queue.waiting.delete(next);
      next();
      return;
    }
    queue.active--;
    this.#active--;
    // Endpoints come and go: a queue nobody uses must not stay.
    if (queue.active === 0) this.#queues.delete(origin);
    if (this.#active === 0) this.#onIdle?.();
  }

  #queueOf(origin: string): OriginQueue {
    let queue = this.#queues.get(origin);
    if (queue === undefined) {
      queue = { active: 0, waiting: new Set() };
      this.#queues.set(origin, queue);
    }
    return queue;
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
