import type { Clock } from "../../core/clock.ts";

/** A bucket of tokens against peers that do something harmless too often. */
export class EventBudget {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #at: number;

  constructor(clock: Clock, burst: number, perSecond: number) {
    this.#clock = clock;
    this.#at = clock.now();
    this.#burst = burst;
    this.#perMs = perSecond / 1_000;
    this.#tokens = burst;
  }

  /** Gives tokens back; the bucket holds no more than its burst. */
  give(tokens: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + tokens);
  }

  /** Takes a token; false when there is none left. */
  take(): boolean {
    const now = this.#clock.now();
    this.give((now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
