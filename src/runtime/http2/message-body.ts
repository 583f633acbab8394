/** Where a body comes from: one request on a connection. */
export interface BodySource {
  /** Somebody wants the body: told once, before the first read. It is what `Expect: 100-continue` waits for. */
  wanted(): void;
  /** Enough has arrived for now. */
  pause(): void;
  /** More may come. */
  resume(): void;
}

/** Bytes of a body that are read ahead of its reader. */
const aheadBytes = 65_536;
/** Shorter pieces are gathered into blocks: kept as they come, each would hold its whole packet in memory. */
const gatherBelowBytes = 4_096;
const firstBlockBytes = 1_024;
const maxBlockBytes = 16_384;

/**
 * The body of a message, between the connection that it arrives on and the one who reads it. It can be read once: piece
 * by piece, as a stream, or whole. Bytes that wait are bounded, and many small pieces cost no more than few large ones.
 */
export class MessageBody {
  readonly #source: BodySource;
  readonly #gone: () => unknown;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** The block behind the last piece of the queue, and how much of it is used. */
  #block: Uint8Array | undefined = undefined;
  #blockUsed = 0;
  #blockBytes = firstBlockBytes;
  #state: "open" | "ended" | "failed" = "open";
  #waiting: (() => void) | undefined = undefined;
  #onDiscarded: ((bytes: number) => void) | undefined = undefined;
  #paused = false;
  #wanted = false;
  #collecting = false;
  #discarding = false;

  /** @param gone - makes the error for a body whose sender went away before its end */
  constructor(source: BodySource, gone: () => unknown) {
    this.#source = source;
    this.#gone = gone;
  }

  /** Whether the whole body has arrived. */
  get ended(): boolean {
    return this.#state === "ended";
  }

  /** Whether it will never be complete. */
  get failed(): boolean {
    return this.#state === "failed";
  }

  /** Whether somebody has begun to read it, or has thrown it away. */
  get used(): boolean {
    return this.#wanted || this.#discarding;
  }

  /** For the connection: bytes arrived. */
  push(chunk: Uint8Array): void {
    if (this.#state !== "open" || chunk.length === 0) return;
    if (this.#discarding) {
      this.#onDiscarded?.(chunk.length);
      return;
    }
    if (this.#waiting !== undefined || chunk.length >= gatherBelowBytes) {
      this.#queue.push(chunk);
      this.#block = undefined;
    } else this.#gather(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= aheadBytes && !this.#collecting && !this.#paused) {
      this.#paused = true;
      this.#source.pause();
    }
    this.#wake();
  }

  /** For the connection: the body is complete. */
  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    this.#wake();
  }

  /** For the connection: the rest will never come. */
  fail(): void {
    if (this.#state !== "open") return;
    this.#state = "failed";
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#wake();
  }

  /** The next piece; undefined at the end. */
  async read(): Promise<Uint8Array | undefined> {
    this.#want();
    for (;;) {
      const chunk = this.#take();
      if (chunk !== undefined) return chunk;
      if (this.#isOver()) return undefined;
      await this.#more();
    }
  }

  /** The whole body. */
  async collect(): Promise<Uint8Array> {
    this.#want();
    this.#collecting = true;
    this.#unpause();
    while (!this.#isOver()) await this.#more();
    const chunks = this.#queue;
    const size = this.#queuedBytes;
    this.#queue = [];
    this.#queuedBytes = 0;
    if (chunks.length === 1) return plain(chunks[0]!);
    const whole = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  /** The body as a web stream. Cancelling it throws the rest away, so that the connection stays usable. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await this.read();
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: () => this.discard(),
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * Throws away what has arrived and what still comes.
   *
   * @param onBytes - told of what comes
   */
  discard(onBytes?: (bytes: number) => void): void {
    this.#discarding = true;
    this.#onDiscarded = onBytes;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#block = undefined;
    this.#unpause();
    this.#wake();
  }

  /** Throws the rest away; resolves when it is over, or after so many bytes or milliseconds. */
  discarded(maxBytes: number, maxMs: number): Promise<void> {
    return new Promise((resolve) => {
      let bytes = 0;
      const timer = setTimeout(() => settle(), maxMs);
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiting = undefined;
        resolve();
      };
      this.discard((count) => {
        bytes += count;
        if (bytes > maxBytes) settle();
      });
      if (this.#state !== "open") settle();
      else this.#waiting = settle;
    });
  }

  #want(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    if (this.#state === "open") this.#source.wanted();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || (this.#collecting && this.#state === "open")) return;
    this.#waiting = undefined;
    waiting();
  }

  #isOver(): boolean {
    // Whoever still reads what was thrown away must not take that for the end.
    if (this.#state === "failed" || this.#discarding) throw this.#gone();
    return this.#state === "ended";
  }

  #take(): Uint8Array | undefined {
    if (this.#queue.length === 0) return undefined;
    const chunk = this.#queue.shift()!;
    this.#queuedBytes -= chunk.length;
    if (this.#queue.length === 0) this.#block = undefined;
    if (this.#queuedBytes < aheadBytes / 2) this.#unpause();
    return plain(chunk);
  }

  #unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#source.resume();
  }

  /** Copies a small piece behind the last one, or into a new block. */
  #gather(chunk: Uint8Array): void {
    const used = this.#blockUsed;
    const block = this.#block;
    if (block !== undefined && block.length - used >= chunk.length) {
      block.set(chunk, used);
      this.#blockUsed = used + chunk.length;
      const last = this.#queue.length - 1;
      const piece = this.#queue[last]!;
      this.#queue[last] = new Uint8Array(block.buffer, piece.byteOffset, piece.length + chunk.length);
      return;
    }
    // A body of one small piece is the common case, and gets no more room than it needs.
    const first = this.#queue.length === 0 && block === undefined;
    const size = first ? chunk.length : Math.max(chunk.length, this.#blockBytes);
    if (!first) this.#blockBytes = Math.min(maxBlockBytes, this.#blockBytes * 2);
    const fresh = new Uint8Array(size);
    fresh.set(chunk);
    this.#block = fresh;
    this.#blockUsed = chunk.length;
    this.#queue.push(fresh.subarray(0, chunk.length));
  }
}

/** Messages keep views of what they were parsed from: those must be plain bytes, no Buffers. */
function plain(chunk: Uint8Array): Uint8Array {
  return chunk.constructor === Uint8Array
    ? chunk
    : new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
