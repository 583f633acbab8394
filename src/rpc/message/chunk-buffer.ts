/** Parts below this are copied: a view of its own costs about 100 bytes. */
const minViewBytes = 1024;
/** A view keeps all of the buffer that it shows a part of; one that shows a smaller share than this is copied. */
const maxPinnedRatio = 16;
/** Sizes of the blocks that take the copies: as much as has come so far, within these. */
const minBlockBytes = 1024;
const maxBlockBytes = 64 * 1024;

/**
 * The bytes of something long, as they arrive.
 *
 * What it holds follows what has come, not what was announced, and not how it was cut: large parts are kept as
 * they are, and small ones, of which a peer can make a million, are copied together.
 */
export class ChunkBuffer {
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  #block: Uint8Array | undefined = undefined;
  #blockFill = 0;
  /** Where in the block those bytes begin that no piece shows yet. */
  #blockStart = 0;

  /** Takes the next part; a large one must not change afterwards. */
  add(part: Uint8Array): void {
    const { length } = part;
    if (length >= minViewBytes && length * maxPinnedRatio >= part.buffer.byteLength) {
      if (this.#block !== undefined) this.#showBlock(this.#block);
      this.#pieces.push(part);
    } else this.#copy(part);
    this.#bytes += length;
  }

  /** Everything so far, in order. The caller takes it all, and adds nothing afterwards. */
  pieces(): readonly Uint8Array[] {
    if (this.#block !== undefined) this.#showBlock(this.#block);
    return this.#pieces;
  }

  #copy(part: Uint8Array): void {
    let at = 0;
    while (at < part.length) {
      let block = this.#block;
      if (block === undefined || this.#blockFill === block.length) {
        if (block !== undefined) this.#showBlock(block);
        const wanted = Math.max(this.#bytes, part.length - at, minBlockBytes);
        block = new Uint8Array(Math.min(wanted, maxBlockBytes));
        this.#block = block;
        this.#blockFill = 0;
        this.#blockStart = 0;
      }
      const take = Math.min(part.length - at, block.length - this.#blockFill);
      block.set(take === part.length ? part : part.subarray(at, at + take), this.#blockFill);
      this.#blockFill += take;
      at += take;
    }
  }

  /** What the block holds so far becomes a piece; the rest of the block takes what is copied later. */
  #showBlock(block: Uint8Array): void {
    if (this.#blockFill === this.#blockStart) return;
    this.#pieces.push(block.subarray(this.#blockStart, this.#blockFill));
    this.#blockStart = this.#blockFill;
  }
}
