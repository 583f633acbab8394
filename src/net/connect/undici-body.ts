import type { Dispatcher } from "undici";
import { bodyOverflow } from "../../rest/response-limit.ts";

/** What is taken from the socket before anybody asks for the body. */
const aheadBytes = 65_536;

const utf8 = new TextDecoder();

/**
 * The body of a response as undici pushes it: kept until somebody asks, up to a bound, then given out as
 * a whole or as a stream. A body that is not read makes the socket wait.
 */
export class ResponseBody {
  controller: Dispatcher.DispatchController | undefined;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #failed = false;
  #error: unknown;
  /** What the one who waits for the whole takes at most. */
  #maxBytes = Infinity;
  /** Set while somebody waits for the whole. */
  #whole: { resolve(): void; reject(error: unknown): void } | undefined;
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;

  /** Whether nothing more will come. */
  get ended(): boolean {
    return this.#ended || this.#failed;
  }

  push(chunk: Buffer): void {
    if (this.#stream !== undefined) {
      this.#stream.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      if ((this.#stream.desiredSize ?? 0) <= 0) this.controller?.pause();
      return;
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#whole === undefined) {
      if (this.#bytes >= aheadBytes) this.controller?.pause();
    } else if (this.#bytes > this.#maxBytes) {
      this.#whole.reject(bodyOverflow);
    }
  }

  end(): void {
    this.#ended = true;
    this.#whole?.resolve();
    this.#stream?.close();
  }

  fail(error: unknown): void {
    this.#failed = true;
    this.#error = error;
    this.#whole?.reject(error);
    this.#stream?.error(error);
  }

  /** Rejects with `bodyOverflow` when there are more bytes than these. */
  async text(maxBytes: number): Promise<string> {
    if (this.#bytes > maxBytes) throw bodyOverflow;
    if (!this.#ended) await this.#complete(maxBytes);
    return utf8.decode(this.#join());
  }

  /** Rejects with `bodyOverflow` when there are more bytes than these. */
  async bytes(maxBytes: number): Promise<Uint8Array> {
    if (this.#bytes > maxBytes) throw bodyOverflow;
    if (!this.#ended) await this.#complete(maxBytes);
    return this.#join();
  }

  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          for (const chunk of this.#chunks) {
            controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
          }
          this.#chunks = [];
          if (this.#failed) controller.error(this.#error);
          else if (this.#ended) controller.close();
          else this.#stream = controller;
        },
        pull: () => this.controller?.resume(),
        cancel: () => {
          this.#stream = undefined;
        },
      },
      { highWaterMark: aheadBytes, size: (chunk) => chunk.byteLength },
    );
  }

  #complete(maxBytes: number): Promise<void> {
    if (this.#failed) return Promise.reject(this.#error);
    this.#maxBytes = maxBytes;
    return new Promise((resolve, reject) => {
      this.#whole = { resolve, reject };
      this.controller?.resume();
    });
  }

  #join(): Uint8Array {
    const chunks = this.#chunks;
    this.#chunks = [];
    if (chunks.length === 1) {
      const only = chunks[0]!;
      return new Uint8Array(only.buffer, only.byteOffset, only.byteLength);
    }
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.byteLength;
    }
    return whole;
  }
}
