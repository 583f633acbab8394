/** Streams of which it is known for sure. */
const maxRemembered = 256;

/** The streams that this side reset, whose late frames are ignored. */
export class ClosedStreams {
  readonly #ids = new Set<number>();
  #forgotten = 0;

  add(id: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= maxRemembered) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      this.#forgotten = Math.max(this.#forgotten, oldest);
      break;
    }
  }

  /**
   * Whether the stream was, or may have been, reset by this side. Of old ones that is not known any more; then it is
   * assumed, because calls that were cancelled must not cost the others the connection.
   */
  has(id: number): boolean {
    return id <= this.#forgotten || this.#ids.has(id);
  }
}
