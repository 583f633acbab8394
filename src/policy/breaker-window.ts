const slots = 10;

/** Counts calls and failures over a sliding window, in ten slots of one flat array. */
export class BreakerWindow {
  readonly #slotMs: number;
  /** Calls of slot i at 2i, failures at 2i + 1. */
  readonly #counts = new Uint32Array(slots * 2);
  #slot = 0;
  #calls = 0;
  #failures = 0;

  constructor(windowMs: number) {
    this.#slotMs = windowMs / slots;
  }

  /** Calls in the window, as of the last {@link turn} or {@link add}. */
  get calls(): number {
    return this.#calls;
  }

  /** Failures among them. */
  get failures(): number {
    return this.#failures;
  }

  add(failed: boolean, now: number): void {
    this.turn(now);
    const at = (this.#slot % slots) * 2;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#calls++;
    if (failed) {
      this.#counts[at + 1] = (this.#counts[at + 1] as number) + 1;
      this.#failures++;
    }
  }

  clear(): void {
    this.#counts.fill(0);
    this.#calls = 0;
    this.#failures = 0;
  }

  /** Forgets what has left the window. */
  turn(now: number): void {
    const slot = Math.floor(now / this.#slotMs);
    if (slot <= this.#slot) return;
    if (slot - this.#slot >= slots) this.clear();
    else {
      for (let gone = this.#slot + 1; gone <= slot; gone++) {
        const at = (gone % slots) * 2;
        this.#calls -= this.#counts[at] as number;
        this.#failures -= this.#counts[at + 1] as number;
        this.#counts[at] = 0;
        this.#counts[at + 1] = 0;
      }
    }
    this.#slot = slot;
  }
}
