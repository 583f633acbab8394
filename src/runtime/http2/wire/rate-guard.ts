/** A bucket of tokens against peers that do something harmless too often. */
export class RateGuard {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #at = 0;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1_000;
    this.#tokens = burst;
  }

  /** Takes a token; false when there is none left. */
  take(): boolean {
    if (this.#tokens < 1) {
      // The clock is read only when it matters.
      const now = performance.now();
      this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
      this.#at = now;
      if (this.#tokens < 1) return false;
    } else if (this.#tokens === this.#burst) this.#at = performance.now();
    this.#tokens--;
    return true;
  }
}
