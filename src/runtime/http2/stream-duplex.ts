import { Duplex } from "node:stream";
import { h2 } from "./wire/frames.ts";
import type { Fields, Http2Stream, StreamHandler } from "./wire/stream.ts";

/** Bytes of a body that are read ahead of its reader. */
const aheadBytes = 65_536;

/** What the owner of a {@link StreamDuplex} is told, and asked. */
export interface StreamOwner {
  /** The trailers to end with, when the last byte has been written; undefined for none. */
  trailers(): Fields | undefined;
  /** The stream is over for both sides. */
  onClose(): void;
}

/** The server's side of a stream of an HTTP/2 connection as Node's libraries want it: bytes to read, and bytes to write. */
export class StreamDuplex extends Duplex {
  readonly stream: Http2Stream;
  #written: (() => void) | undefined = undefined;
  readonly #owner: StreamOwner;

  constructor(stream: Http2Stream, owner: StreamOwner) {
    super({ readableHighWaterMark: aheadBytes });
    this.stream = stream;
    this.#owner = owner;
    const handler: StreamHandler = {
      onHeaders() {
        // They were there before the stream was.
      },
      onData: (chunk) => {
        if (!this.push(chunk)) stream.pause();
      },
      onTrailers() {
        // Nobody asks for those of a request.
      },
      onEnd: () => {
        this.push(null);
      },
      onDrain: () => this.#drained(),
      onClose: () => this.#over(),
    };
    stream.handler = handler;
  }

  override _read(): void {
    this.stream.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (this.stream.write(chunk) || this.stream.closed) done();
    else this.#written = done;
  }

  override _final(done: () => void): void {
    const trailers = this.#owner.trailers();
    if (trailers === undefined) this.stream.end();
    else this.stream.endWithTrailers(trailers);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // What was written may still wait for the peer's window: that is no reason to give it up.
    if (error !== null || !this.writableFinished) {
      this.stream.close(error === null ? h2.cancel : h2.internalError);
    }
    done(error);
  }

  #drained(): void {
    const written = this.#written;
    this.#written = undefined;
    written?.();
  }

  #over(): void {
    if (this.stream.fate !== "complete") {
      this.#owner.onClose();
      this.destroy();
    } else {
      this.#owner.onClose();
    }
    this.#drained();
  }
}
