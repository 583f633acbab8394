import type { Clock } from "../../../core/clock.ts";
import type { FrameWriter } from "../codec/frame-writer.ts";
import type { PeerSettings } from "../frame/settings.ts";
import type { ReceiveWindow } from "./receive-window.ts";

/** What ended a stream. */
export type StreamCloseReason =
  /** Both sides said everything. */
  | "complete"
  /** The peer's RST_STREAM. */
  | "peer-reset"
  /** This side's RST_STREAM. */
  | "own-reset"
  /** A GOAWAY that says that the peer never looked at it. */
  | "refused"
  /** The connection's end. */
  | "lost";

/** What a stream needs of its connection. */
export interface StreamHost<Stream> {
  readonly options: { readonly streamWindowBytes: number; readonly clock: Clock };
  readonly frameWriter: FrameWriter;
  readonly window: ReceiveWindow;
  readonly peer: PeerSettings;
  /** Bytes that the peer lets this side send on all streams. */
  sendWindow: number;
  /** Bytes that wait in all streams together. */
  queuedBytes: number;
  /** Counts the chunks that arrived. */
  readonly turn: number;
  /** Has a stream deliver what it holds when the chunk has been read. */
  deliverLater(stream: { deliverHeld(): void }): void;
  /** Counts bytes that will wait in a stream; false when they are too many, and the stream was reset for it. */
  enqueue(stream: Stream, bytes: number): boolean;
  /** Resets a stream. */
  reset(stream: Stream, code: number): void;
  /** A stream is over. */
  forget(stream: Stream, closeReason: StreamCloseReason, code: number): void;
  /** Its handler threw. */
  failed(stream: Stream, error: unknown): void;
  /** Those that wait for a window or for the transport. */
  readonly waiting: { add(stream: Stream): void; delete(stream: Stream): void };
}
