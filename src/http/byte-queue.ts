/** Shorter pieces are put together; of longer ones a copy costs more than an object. */
const copyBytes = 1024;
const smallestBlock = 256;
const largestBlock = 64 * 1024;

/** What suits the user of a {@link ByteQueue}, in bytes. */
interface ByteQueueOptions {
  /** Shorter pieces are put together. @default 1024 */
  readonly copyBytes?: number;
  /** The first block that they are put into; 0 for one that just fits. @default 256 */
  readonly firstBlock?: number;
  /** @default 64 KiB */
  readonly largestBlock?: number;
}

/**
 * Bytes that wait, in the order they came.
 *
 * A piece costs some hundred bytes besides its own, and keeps all of the chunk that it is a part of. So small pieces
 * are copied into blocks that grow with what is in the queue: a peer that sends byte by byte makes it no larger than
 * one that sends everything at once.
 */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  #first = 0;
  /** What the last pieces were copied into, and which part of it is not in `#chunks` yet. */
  #block: Uint8Array | undefined = undefined;
  #blockStart = 0;
  #blockEnd = 0;
  readonly #copyBytes: number;
  readonly #firstBlock: number;
  readonly #largestBlock: number;
  /** Bytes that wait. */
  length = 0;

  constructor(options: ByteQueueOptions = {}) {
    this.#copyBytes = options.copyBytes ?? copyBytes;
    this.#firstBlock = options.firstBlock ?? smallestBlock;
    this.#largestBlock = options.largestBlock ?? largestBlock;
  }

  /** Appends a piece; a long one is kept as it is. */
  push(piece: Uint8Array): void {
    const { length } = piece;
    if (length < this.#copyBytes) {
      this.copy(piece, 0, length);
      return;
    }
    this.length += length;
    this.#seal();
    this.#chunks.push(piece);
  }

  /** Appends a copy of a part, which keeps nothing of the rest. */
  copy(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.length += length;
    const block = this.#roomFor(length);
    let to = this.#blockEnd;
    this.#blockEnd = to + length;
    // A loop is faster for what is shorter than a call of set() takes.
    if (length <= 64) for (let at = start; at < end; at++) block[to++] = bytes[at]!;
    else block.set(bytes.subarray(start, end), to);
  }

  #roomFor(length: number): Uint8Array {
    const block = this.#block;
    if (block !== undefined && this.#blockEnd + length <= block.length) return block;
    this.#seal();
    const smallest = block === undefined ? this.#firstBlock : smallestBlock;
    const size = Math.max(length, smallest, Math.min(2 * (block?.length ?? 0), this.#largestBlock));
    this.#block = new Uint8Array(size);
    this.#blockStart = 0;
    this.#blockEnd = 0;
    return this.#block;
  }

  /** Moves what was copied into the chunks; what follows goes into the rest of the block. */
  #seal(): void {
    if (this.#blockEnd === this.#blockStart) return;
    this.#chunks.push(this.#block!.subarray(this.#blockStart, this.#blockEnd));
    this.#blockStart = this.#blockEnd;
  }

  /** The first bytes that wait, as many as are in one piece; the queue must not be empty. */
  first(): Uint8Array {
    if (this.#first === this.#chunks.length) this.#seal();
    return this.#chunks[this.#first]!;
  }

  /** Removes the first `bytes` bytes, which are no more than {@link first} has. */
  drop(bytes: number): void {
    const chunk = this.first();
    this.length -= bytes;
    if (bytes < chunk.length) {
      this.#chunks[this.#first] = chunk.subarray(bytes);
      return;
    }
    this.#chunks[this.#first++] = nothing;
    if (this.#first < 64 && this.#first < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#first);
    this.#first = 0;
  }
}

const nothing: Uint8Array = new Uint8Array(0);
