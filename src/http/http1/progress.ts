/**
 * Tells whether bytes move: not by silence alone, which one byte now and then would break, but by how many move in
 * each stretch of time.
 */
export class Progress {
  #windowBytes = 0;
  #windowStart: number;

  /** @param now - when the first stretch begins */
  constructor(now: number) {
    this.#windowStart = now;
  }

  /** Begins a new stretch. */
  restart(now: number, movedBytes: number): void {
    this.#windowBytes = movedBytes;
    this.#windowStart = now;
  }

  /**
   * Whether enough moves.
   *
   * @param movedBytes - all that has moved so far
   * @param leastBytes - what has to move in each stretch; 0 when nothing waits
   */
  goesOn(now: number, movedBytes: number, windowMs: number, leastBytes: number): boolean {
    if (leastBytes > 0 && now - this.#windowStart < windowMs) return true;
    const enough = movedBytes - this.#windowBytes >= leastBytes;
    this.restart(now, movedBytes);
    return enough;
  }
}
