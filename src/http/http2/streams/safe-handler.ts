import type { ConnectionHandler } from "../connection-options.ts";
import { h2 } from "../frame/frame-types.ts";
import type { Http2Stream } from "./stream.ts";
import type { Fields } from "./stream-handler.ts";

const streamClosed = (handler: ConnectionHandler): void => handler.onStreamClose();
const settingsCame = (handler: ConnectionHandler): void => handler.onSettings();

/** Calls the handler of a connection; what that throws ends nothing but its stream. */
export class SafeHandler {
  readonly #handler: ConnectionHandler;

  constructor(handler: ConnectionHandler) {
    this.#handler = handler;
  }

  /** A new request. */
  onStream(stream: Http2Stream, fields: Fields, ended: boolean): void {
    stream.served = true;
    try {
      this.#handler.onStream(stream, fields, ended);
    } catch (error) {
      this.failed(stream, error);
    }
  }

  onStreamClose(): void {
    this.call(streamClosed);
  }

  onSettings(): void {
    this.call(settingsCame);
  }

  onGoaway(code: number): void {
    this.call((handler) => handler.onGoaway(code));
  }

  onClose(error: Error | undefined): void {
    this.call((handler) => handler.onClose(error));
  }

  /** The handler of a stream threw, or that of the connection when it was told of it: the stream is reset. */
  failed(stream: Http2Stream, error: unknown): void {
    stream.failure ??= error;
    stream.close(h2.internalError);
    this.#report(error, stream);
  }

  /** Calls something else that belongs to the user of the connection. */
  call(event: (handler: ConnectionHandler) => void): void {
    try {
      event(this.#handler);
    } catch (error) {
      this.#report(error, undefined);
    }
  }

  #report(error: unknown, stream: Http2Stream | undefined): void {
    try {
      this.#handler.onError(error, stream);
    } catch {
      // Who is told of errors has one of his own, and nobody is left to tell.
    }
  }
}
