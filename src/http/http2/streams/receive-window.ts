import type { FrameWriter } from "../codec/frame-writer.ts";
import { defaultWindowBytes, frameType, Http2Error, h2 } from "../frame/frame-types.ts";

/** Bytes in paused streams, beyond which the whole connection gets no more credit. */
const maxHeldBytes = 16 * 1024 * 1024;

/**
 * What the peer may send on all streams together. Bytes are granted anew as they arrive, so that a slow
 * reader of one stream does not stop the others; only when slow readers hold very much, the connection waits.
 */
export class ReceiveWindow {
  readonly #frameWriter: FrameWriter;
  readonly #size: number;
  #left: number = defaultWindowBytes;
  #owed = 0;
  #held = 0;
  #withheld = 0;

  constructor(frameWriter: FrameWriter, size: number) {
    this.#frameWriter = frameWriter;
    this.#size = size;
  }

  /** Whether the peer is granted nothing now, because slow readers hold too much. */
  get withholding(): boolean {
    return this.#withheld > 0;
  }

  /** Widens the window from what the standard gives it. */
  open(): void {
    this.#send(this.#size - defaultWindowBytes);
  }

  /** Bytes of DATA arrived. @throws Http2Error when the peer sent more than it may */
  received(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new Http2Error(h2.flowControlError, "the peer sent more than it may");
    if (this.#held > maxHeldBytes) this.#withheld += bytes;
    else this.#grant(bytes);
  }

  /** They arrived on a paused stream. */
  held(bytes: number): void {
    this.#held += bytes;
  }

  /** The stream goes on, or is over. */
  released(bytes: number): void {
    this.#held -= bytes;
    if (this.#withheld === 0 || this.#held > maxHeldBytes) return;
    const withheld = this.#withheld;
    this.#withheld = 0;
    this.#grant(withheld);
  }

  #grant(bytes: number): void {
    this.#owed += bytes;
    if (this.#owed * 2 < this.#size) return;
    const owed = this.#owed;
    this.#owed = 0;
    this.#send(owed);
  }

  #send(bytes: number): void {
    if (bytes <= 0 || this.#frameWriter.closed) return;
    this.#left += bytes;
    this.#frameWriter.words(frameType.windowUpdate, 0, bytes);
  }
}
