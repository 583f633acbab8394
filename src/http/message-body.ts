import type { Clock } from "../core/clock.ts";
import { ByteQueue } from "./byte-queue.ts";

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
/** Shorter pieces are copied: kept as they come, each would hold its whole packet in memory. */
const copyBytes = 4_096;
const largestBlock = 16_384;

/**
 * The body of a message, between the connection that it arrives on and its reader. It can be read once: piece
 * by piece, as a stream, or whole. Bytes that wait are bounded, and many small pieces cost no more than few large ones.
 */
export class MessageBody {
  /** Bytes that arrived. */
  receivedBytes = 0;
  readonly #source: BodySource;
  readonly #gone: () => unknown;
  #queue: ByteQueue = emptyQueue();
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

  /** Whether somebody has begun to read it, or has thrown it away. */
  get used(): boolean {
    return this.#wanted || this.#discarding;
  }

  /** For the connection: bytes arrived. */
  push(chunk: Uint8Array): void {
    if (this.#state !== "open" || chunk.length === 0) return;
    this.receivedBytes += chunk.length;
    if (this.#discarding) {
      this.#onDiscarded?.(chunk.length);
      return;
    }
    this.#queue.push(chunk);
    if (this.#queue.length >= aheadBytes && !this.#collecting && !this.#paused) {
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
    this.#queue = emptyQueue();
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
    const queue = this.#queue;
    const only = this.#take();
    if (only === undefined || queue.length === 0) return only ?? new Uint8Array(0);
    const whole = new Uint8Array(only.length + queue.length);
    whole.set(only);
    for (let at = only.length; queue.length > 0; ) {
      const chunk = queue.first();
      whole.set(chunk, at);
      at += chunk.length;
      queue.drop(chunk.length);
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
    this.#queue = emptyQueue();
    this.#unpause();
    this.#wake();
  }

  /** Throws the rest away; resolves when it is over, or after so many bytes or milliseconds. */
  discarded(clock: Clock, maxBytes: number, maxMs: number): Promise<void> {
    return new Promise((resolve) => {
      let bytes = 0;
      const cancel = clock.schedule(() => settle(), maxMs);
      const settle = (): void => {
        cancel();
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
    // A reader of what was thrown away must not take that for the end.
    if (this.#state === "failed" || this.#discarding) throw this.#gone();
    return this.#state === "ended";
  }

  #take(): Uint8Array | undefined {
    const queue = this.#queue;
    if (queue.length === 0) return undefined;
    const chunk = queue.first();
    queue.drop(chunk.length);
    if (queue.length < aheadBytes / 2) this.#unpause();
    return chunk;
  }

  #unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#source.resume();
  }
}

function emptyQueue(): ByteQueue {
  // A body of one small piece is the common case, and gets no more room than it needs.
  return new ByteQueue({ copyBytes, firstBlock: 0, largestBlock });
}
