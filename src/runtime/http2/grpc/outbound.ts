import type { Http2Stream } from "node:http2";
import process from "node:process";
import { type EncodedMessage, type EncodeOptions, encodeMessage, type MessageCodec } from "./codec.ts";

import { writeMessages } from "./write.ts";

/** Resolves when the stream takes more bytes, or is over. */
function drained(stream: Http2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}

/** Whether nothing more can be written. */
function over(stream: Http2Stream): boolean {
  return stream.destroyed || stream.closed || stream.writableEnded;
}

/** Messages that are made without a pause go out together, up to so many bytes. */
const batchBytes = 16 * 1024;

/**
 * Sends the messages of an iterable one after the other, never faster than the peer reads.
 *
 * What a source makes within one turn of the event loop is written as one buffer: for small messages the
 * way through the runtime's stream costs several times the message itself.
 */
export class OutboundMessages {
  readonly #stream: Http2Stream;
  readonly #codec: MessageCodec;
  readonly #iterator: AsyncIterator<object>;
  readonly #flushLater: () => void = () => this.#flush();
  #batch: EncodedMessage[] = [];
  #bytes = 0;
  #stopped = false;

  constructor(stream: Http2Stream, messages: AsyncIterable<object>, codec: MessageCodec) {
    this.#stream = stream;
    this.#codec = codec;
    this.#iterator = messages[Symbol.asyncIterator]();
  }

  /**
   * Sends everything; the stream is left open. Resolves with false when it was over before all was sent.
   * Rejects with the iterable's own error, and with the one of a message that cannot be encoded, when what
   * came before it has been written.
   */
  async send(options: EncodeOptions, beforeFirst?: () => void): Promise<boolean> {
    let first = true;
    try {
      for (;;) {
        const result = await this.#iterator.next();
        if (result.done === true) {
          this.#stopped = true;
          this.#flush();
          return !over(this.#stream);
        }
        if (over(this.#stream)) break;
        const encoded = encodeMessage(this.#codec, result.value, options);
        const message = encoded instanceof Promise ? await encoded : encoded;
        if (first) {
          first = false;
          beforeFirst?.();
        }
        if (!this.#add(message)) await drained(this.#stream);
      }
    } catch (error) {
      this.#flush();
      this.stop();
      throw error;
    }
    this.stop();
    return false;
  }

  /** Puts a message into the batch; false when the stream has enough for now. */
  #add(message: EncodedMessage): boolean {
    this.#bytes += message.bytes.length;
    if (this.#batch.push(message) === 1) process.nextTick(this.#flushLater);
    return this.#bytes < batchBytes || this.#flush();
  }

  #flush(): boolean {
    const batch = this.#batch;
    if (batch.length === 0) return true;
    const bytes = this.#bytes;
    this.#batch = [];
    this.#bytes = 0;
    return over(this.#stream) || writeMessages(this.#stream, batch, bytes);
  }

  /** Lets the source clean up behind itself, because nobody takes its messages any more. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    try {
      this.#iterator.return?.()?.catch(() => {});
    } catch {
      // A source that fails at its clean-up has nobody left to tell.
    }
  }
}
