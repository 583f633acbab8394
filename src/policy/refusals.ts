import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";

/** Refusals in a row that may leave at once. */
const everyNth = 100;

/**
 * Lets one refusal in a hundred wait for the next turn of the event loop.
 *
 * A refusal that a policy makes by itself never leaves the microtask queue, so a loop that catches it and calls again
 * would keep every timer and every socket of the process from being served, those included that would end the refusals.
 */
export class Refusals {
  readonly #clock: Clock;
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What to await before the refusal; undefined, nearly always, when there is nothing to wait for. */
  pace(): Promise<void> | undefined {
    if (++this.#count < everyNth) return undefined;
    this.#count = 0;
    return new Promise((resolve) => {
      this.#clock.schedule(resolve, 0);
    });
  }

  /** Fails the call with the reason: a server's at once, as it is one request's end; a client's in its turn. */
  refuse(call: Call, reason: unknown): Promise<never> {
    if (call.side === "server") throw reason;
    return this.reject(reason);
  }

  /** A promise that rejects with the reason. */
  async reject(reason: unknown): Promise<never> {
    const turn = this.pace();
    if (turn !== undefined) await turn;
    throw reason;
  }
}
