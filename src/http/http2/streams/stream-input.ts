import { ByteQueue } from "../../byte-queue.ts";
import type { FrameWriter } from "../codec/frame-writer.ts";
import { frameType } from "../frame/frame-types.ts";
import type { ReceiveWindow } from "./receive-window.ts";
import type { Fields, StreamHandler } from "./stream-handler.ts";

/** What the reading half of a stream needs of the connection. */
interface InputHost {
  readonly options: { readonly streamWindowBytes: number };
  readonly frameWriter: FrameWriter;
  readonly window: ReceiveWindow;
  /** Counts the chunks that arrived. */
  readonly turn: number;
  /** Has {@link StreamInput.deliverHeld} called when the chunk has been read. */
  deliverLater(stream: { deliverHeld(): void }): void;
}

/**
 * Pieces that are shorter than this are put together when so many of them have come in one chunk. Of longer ones an
 * object is no large part of what the peer had to send, and telling them is faster than copying.
 */
const tinyBytes = 16;
const maxTinyPieces = 8;
/** Shorter pieces are copied when they must be kept. */
const smallBytes = 1_024;

/** The reading half of a stream: what the peer may send, and the handler that is told of it. */
export abstract class StreamInput {
  readonly id: number;
  readonly connection: InputHost;
  /** Set when the stream is opened or accepted. */
  handler: StreamHandler;
  /** Bytes that this side still lets the peer send. */
  receiveWindow: number;
  /** Whether the first header block arrived. */
  begun = false;
  remoteEnded = false;
  closed = false;
  /** Bytes of the body that the headers promise; -1 when they promise nothing. */
  promisedBytes = -1;
  /** Whether the peer must get on with the body: see {@link expectBody}. */
  bodyExpected = false;
  /** Bytes that arrived since slow bodies were last looked for, and when that was. */
  arrivedBytes = 0;
  arrivedSince = -1;
  /** Bytes of the body that arrived. */
  allArrivedBytes = 0;
  #paused = false;
  /** Bytes that arrived and were not granted anew. */
  #owed = 0;
  /** What arrived in a pause, or in tiny pieces. */
  #held: ByteQueue | undefined = undefined;
  #resuming = false;
  /** The chunk that the last tiny piece came with, and how many came with it. */
  #turn = -1;
  #tinyPieces = 0;

  constructor(connection: InputHost, id: number, handler: StreamHandler) {
    this.connection = connection;
    this.id = id;
    this.handler = handler;
    this.receiveWindow = connection.options.streamWindowBytes;
  }

  /** The handler threw. */
  protected abstract failed(error: unknown): void;

  /** Whether the handler has the stream paused. */
  get paused(): boolean {
    return this.#paused;
  }

  /**
   * Holds the body back: the peer is granted no more bytes, and what is on its way is kept until {@link resume}, the
   * end or the close of the stream. What is kept costs its bytes, in however small pieces it came.
   */
  pause(): void {
    this.#paused = true;
  }

  /** Lets the peer send on; what was kept is told a moment later. */
  resume(): void {
    this.#paused = false;
    if (this.#held === undefined) {
      this.#credit();
    } else if (!this.#resuming) {
      this.#resuming = true;
      queueMicrotask(() => {
        this.#resuming = false;
        this.deliverHeld();
      });
    }
  }

  /**
   * Says that the body is wanted as a whole, as nothing can happen without it. A server then resets the stream when
   * the peer sends too little of it: see `slowBodyMs`. Not for streams on which both sides talk as they like.
   */
  expectBody(): void {
    this.bodyExpected = true;
  }

  /** For the connection: bytes of DATA arrived, padding included. */
  received(bytes: number): void {
    this.#owed += bytes;
    this.arrivedBytes += bytes;
    this.allArrivedBytes += bytes;
    if (!this.#paused && this.#held === undefined) this.#credit();
  }

  /**
   * For the connection: a piece of the body; `last` when the stream ends with it.
   *
   * Of tiny pieces in one chunk, the first are told at once, and the others together: what a handler keeps of them
   * then costs their bytes, and not an object each.
   */
  deliver(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (last) {
      this.flush();
      if (this.closed) return;
    } else if (this.#paused || this.#held !== undefined) {
      this.#hold(bytes, start, end);
      return;
    } else if (end - start < tinyBytes) {
      const { turn } = this.connection;
      if (this.#turn !== turn) {
        this.#turn = turn;
        this.#tinyPieces = 0;
      } else if (++this.#tinyPieces >= maxTinyPieces) {
        this.#hold(bytes, start, end);
        this.connection.deliverLater(this);
        return;
      }
    }
    this.#tellData(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  }

  #hold(bytes: Uint8Array, start: number, end: number): void {
    this.#held ??= new ByteQueue();
    const length = end - start;
    // A part of a chunk keeps all of it, which is much when the part is small.
    if (length < smallBytes || length * 2 < bytes.buffer.byteLength) this.#held.copy(bytes, start, end);
    else this.#held.push(bytes.subarray(start, end));
    this.connection.window.held(length);
  }

  /** Tells what was held, unless the stream is paused (again). */
  deliverHeld(): void {
    while (!this.#paused && this.#held !== undefined) this.#tellData(this.#take(this.#held));
    if (!this.#paused) this.#credit();
  }

  /** For the connection: tells what a pause held back, because nothing follows any more. */
  flush(): void {
    while (this.#held !== undefined) this.#tellData(this.#take(this.#held));
  }

  /** Forgets what a pause held back. */
  protected dropHeld(): void {
    while (this.#held !== undefined) this.#take(this.#held);
  }

  /** For the connection. */
  tellHeaders(fields: Fields, ended: boolean): void {
    try {
      this.handler.onHeaders(fields, ended);
    } catch (error) {
      this.failed(error);
    }
  }

  /** For the connection. */
  tellTrailers(fields: Fields): void {
    try {
      this.handler.onTrailers(fields);
    } catch (error) {
      this.failed(error);
    }
  }

  /** For the connection: the peer has said everything. */
  tellEnd(): void {
    this.remoteEnded = true;
    try {
      this.handler.onEnd();
    } catch (error) {
      this.failed(error);
    }
  }

  #tellData(chunk: Uint8Array): void {
    try {
      this.handler.onData(chunk);
    } catch (error) {
      this.failed(error);
    }
  }

  #take(held: ByteQueue): Uint8Array {
    const chunk = held.first();
    held.drop(chunk.length);
    if (held.length === 0) this.#held = undefined;
    this.connection.window.released(chunk.length);
    return chunk;
  }

  #credit(): void {
    const owed = this.#owed;
    if (owed * 2 < this.connection.options.streamWindowBytes || this.closed || this.remoteEnded) return;
    this.#owed = 0;
    this.receiveWindow += owed;
    this.connection.frameWriter.words(frameType.windowUpdate, this.id, owed);
  }
}
