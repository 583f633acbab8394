/**
 * A buffer that grows at its end: what frames and header blocks are written into.
 *
 * Writers call {@link ensure}, store at `bytes[length]` and advance `length` themselves, so that a byte costs one
 * store. `bytes` is replaced when it grows: read it again after every `ensure`.
 */
export class ByteSink {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacityBytes = 1024) {
    this.bytes = new Uint8Array(capacityBytes);
  }

  /** Makes room for `extra` bytes more. */
  ensure(extra: number): void {
    if (this.length + extra > this.bytes.length) this.#grow(this.length + extra);
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
  }
}
