import type { Fields } from "../../fields.ts";

export type { Fields } from "../../fields.ts";

/**
 * Follows one stream. Everything is told at once, from within the reading of the connection; what a handler throws
 * resets its stream, and is told to {@link ConnectionHandler.onError}.
 */
export interface StreamHandler {
  /** The response's headers, on a client; `ended` says that nothing follows them. */
  onHeaders(fields: Fields, ended: boolean): void;
  /** Bytes of the body; they are the handler's to keep. Not told while the stream is paused. */
  onData(chunk: Uint8Array): void;
  onTrailers(fields: Fields): void;
  /** The peer has said everything; not told after a reset. Bytes that a pause held back are told before it. */
  onEnd(): void;
  /** {@link Http2Stream.write} may go on after it said no. */
  onDrain(): void;
  /** The stream is over for both sides; told once, whatever happened. */
  onClose(): void;
}

/** Hears nothing. */
export const ignoreStream: StreamHandler = {
  onHeaders() {},
  onData() {},
  onTrailers() {},
  onEnd() {},
  onDrain() {},
  onClose() {},
};
