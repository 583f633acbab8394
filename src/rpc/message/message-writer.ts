import type { Http2Stream } from "../../http/http2/streams/stream.ts";
import { iteratorOf } from "../safe-interceptor.ts";
import { type EncodedMessage, type EncodeOptions, encodeMessage, type MessageCodec } from "./codec.ts";

/**
 * Sends the messages of an iterable one after the other, never faster than the peer reads.
 *
 * The owner of the stream passes its `onDrain` and `onClose` on to {@link drained} and {@link stop}.
 */
export class MessageWriter {
  readonly #stream: Http2Stream;
  readonly #codec: MessageCodec;
  readonly #iterator: AsyncIterator<object>;
  #stopped = false;
  #resume: (() => void) | undefined = undefined;

  constructor(stream: Http2Stream, messages: AsyncIterable<object>, codec: MessageCodec) {
    this.#stream = stream;
    this.#codec = codec;
    this.#iterator = iteratorOf(messages);
  }

  /**
   * Sends everything; the stream is left open. Resolves with false when it was over before all was sent.
   * Rejects with the iterable's own error, and with the one of a message that cannot be encoded, when what
   * came before it has been written; `onUnsendable` is told of the latter.
   */
  async send(
    options: EncodeOptions,
    beforeFirst?: () => void,
    onUnsendable?: (error: unknown) => void,
  ): Promise<boolean> {
    const stream = this.#stream;
    let first = true;
    try {
      for (;;) {
        const result = await this.#iterator.next();
        if (result.done === true) {
          this.#stopped = true;
          return stream.writable;
        }
        if (!stream.writable) break;
        let encoded: EncodedMessage;
        try {
          const made = encodeMessage(this.#codec, result.value, options);
          encoded = made instanceof Promise ? await made : made;
        } catch (error) {
          onUnsendable?.(error);
          throw error;
        }
        if (first) {
          first = false;
          beforeFirst?.();
        }
        if (!stream.writeMessage(encoded.flags, encoded.bytes)) await this.#room();
      }
    } catch (error) {
      this.stop();
      throw error;
    }
    this.stop();
    return false;
  }

  #room(): Promise<void> | undefined {
    if (!this.#stream.writable) return undefined;
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  /** The stream takes more. */
  drained(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  /** Lets the source clean up behind itself, because nobody takes its messages any more. */
  stop(): void {
    this.drained();
    if (this.#stopped) return;
    this.#stopped = true;
    try {
      this.#iterator.return?.()?.catch(() => {});
    } catch {
      // A source that fails at its clean-up has nobody left to tell.
    }
  }
}
