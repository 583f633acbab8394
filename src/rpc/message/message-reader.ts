import type { Message } from "@bufbuild/protobuf";
import { decodeMessageBody, type MessageCodec } from "./codec.ts";
import type { Compression } from "./compression.ts";
import { EnvelopeReader } from "./envelope.ts";

/** Bytes of decoded frames that may wait for the reader before the stream is paused. */
const highWaterBytes = 64 * 1024;
/** Frames that may wait, so that many tiny ones do not slip under the byte limit. */
const highWaterFrames = 256;

interface Frame {
  readonly flags: number;
  readonly bytes: Uint8Array;
}

interface Reader {
  readonly resolve: (result: IteratorResult<Message, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** What an {@link MessageReader} reads with. */
export interface MessageReaderInit {
  /** What is paused while the reader is behind. */
  readonly stream: { pause(): void; resume(): void };
  readonly codec: MessageCodec;
  readonly maxBytes: number;
  /** Called when the reader loses interest before the end. */
  readonly onReturn: () => void;
  /** Called with an error in what arrived. */
  readonly onError: (error: unknown) => void;
  /** Called when the reader has been told of the end, or wants no more. */
  readonly onFinish?: () => void;
}

/**
 * The messages that arrive on one HTTP/2 stream, read one by one.
 *
 * A slow reader pauses the stream, and with it the sender, by HTTP/2's flow control. Messages are decoded
 * when they are asked for.
 */
export class MessageReader implements AsyncIterableIterator<Message, undefined> {
  readonly #init: MessageReaderInit;
  readonly #reader: EnvelopeReader;
  #compression: Compression | undefined = undefined;
  #frames: Frame[] = [];
  #next = 0;
  #bytes = 0;
  #paused = false;
  #ended = false;
  #error: unknown = undefined;
  #waiting: Reader[] = [];
  #busy = false;

  constructor(init: MessageReaderInit) {
    this.#init = init;
    this.#reader = new EnvelopeReader(init.maxBytes, (flags, bytes) => {
      this.#frames.push({ flags, bytes });
      this.#bytes += bytes.length;
    });
  }

  /** States how the messages are compressed; before the first byte. */
  useCompression(compression: Compression | undefined): void {
    this.#compression = compression;
  }

  /** Whether anything arrived at all. */
  get started(): boolean {
    return this.#reader.started;
  }

  /** Whether everything that arrived was whole messages. */
  get atBoundary(): boolean {
    return this.#reader.atBoundary;
  }

  /** Takes bytes from the stream. */
  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#init.onError(error);
      return;
    }
    this.#serve();
    const waiting = this.#frames.length - this.#next;
    if (!this.#paused && (this.#bytes > highWaterBytes || waiting > highWaterFrames)) {
      this.#paused = true;
      this.#init.stream.pause();
    }
  }

  /** Says that nothing more will arrive; what did arrive is still handed out, before the error if there is one. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#serve();
  }

  /** Ends at once: what still waits is thrown away. */
  abort(error: unknown): void {
    this.#frames = [];
    this.#next = 0;
    this.#bytes = 0;
    if (!this.#ended) this.end(error);
    else this.#error ??= error;
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    const frame = this.#frames[this.#next];
    if (frame?.flags === 0 && this.#waiting.length === 0 && !this.#busy) {
      this.#take();
      try {
        return Promise.resolve({ done: false, value: this.#init.codec.decode(frame.bytes) });
      } catch (error) {
        this.#init.onError(error);
        this.abort(error);
        return Promise.reject(error);
      }
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#serve();
    });
  }

  return(): Promise<IteratorResult<Message, undefined>> {
    if (!this.#ended) {
      this.#init.onReturn();
      this.abort(undefined);
    }
    this.#frames = [];
    this.#next = 0;
    this.#init.onFinish?.();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #serve(): void {
    while (this.#waiting.length > 0 && !this.#busy) {
      if (this.#next < this.#frames.length) this.#hand(this.#take(), this.#waiting.shift()!);
      else if (this.#ended) this.#finish(this.#waiting.shift()!);
      else return;
    }
  }

  #take(): Frame {
    const frame = this.#frames[this.#next++]!;
    this.#bytes -= frame.bytes.length;
    if (this.#next === this.#frames.length) {
      this.#frames = [];
      this.#next = 0;
      if (this.#paused) {
        this.#paused = false;
        this.#init.stream.resume();
      }
    }
    return frame;
  }

  #hand(frame: Frame, reader: Reader): void {
    const { codec, maxBytes } = this.#init;
    let message: Message | Promise<Message>;
    try {
      message = decodeMessageBody(codec, frame.flags, frame.bytes, this.#compression, maxBytes);
    } catch (error) {
      this.#fail(error, reader);
      return;
    }
    if (!(message instanceof Promise)) {
      reader.resolve({ done: false, value: message });
      return;
    }
    // One at a time, or a small message would overtake a large compressed one.
    this.#busy = true;
    message.then(
      (value) => {
        this.#busy = false;
        reader.resolve({ done: false, value });
        this.#serve();
      },
      (error: unknown) => {
        this.#busy = false;
        this.#fail(error, reader);
        this.#serve();
      },
    );
  }

  #fail(error: unknown, reader: Reader): void {
    this.#init.onError(error);
    this.abort(error);
    reader.reject(error);
  }

  #finish(reader: Reader): void {
    this.#init.onFinish?.();
    const error = this.#error;
    if (error === undefined) {
      reader.resolve({ done: true, value: undefined });
    } else {
      // Stated once, as a generator would.
      this.#error = undefined;
      reader.reject(error);
    }
  }
}
