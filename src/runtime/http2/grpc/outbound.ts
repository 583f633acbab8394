import type { Http2Stream } from "node:http2";
import { type EncodeOptions, encodeFrame, type MessageCodec } from "./codec.ts";

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

/** Sends the messages of an iterable one by one, never faster than the peer reads. */
export class OutboundMessages {
  readonly #stream: Http2Stream;
  readonly #codec: MessageCodec;
  readonly #iterator: AsyncIterator<object>;
  #stopped = false;

  constructor(stream: Http2Stream, messages: AsyncIterable<object>, codec: MessageCodec) {
    this.#stream = stream;
    this.#codec = codec;
    this.#iterator = messages[Symbol.asyncIterator]();
  }

  /**
   * Sends everything; the stream is left open. Resolves with false when it was over before all was sent.
   * Rejects with the iterable's own error, and with the one of a message that cannot be encoded.
   */
  async send(options: EncodeOptions, beforeFirst?: () => void): Promise<boolean> {
    let first = true;
    for (;;) {
      const result = await this.#iterator.next();
      if (result.done === true) {
        this.#stopped = true;
        return !over(this.#stream);
      }
      if (over(this.#stream)) break;
      let frame: Uint8Array;
      try {
        const encoded = encodeFrame(this.#codec, result.value, options);
        frame = encoded instanceof Uint8Array ? encoded : await encoded;
      } catch (error) {
        this.stop();
        throw error;
      }
      if (first) {
        first = false;
        beforeFirst?.();
      }
      if (over(this.#stream)) break;
      if (!this.#stream.write(frame)) await drained(this.#stream);
    }
    this.stop();
    return false;
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
