import type { Fields, Http2Stream } from "./stream.ts";

/** How an `Http2Connection` behaves. */
export interface ConnectionOptions {
  readonly role: "client" | "server";
  /** Streams that a client may have open at once; servers open none. */
  readonly maxStreams: number;
  /** The fields of one header block: names, values and 32 bytes for each. */
  readonly maxHeaderListBytes: number;
  /** What the peer may send ahead on one stream. */
  readonly streamWindowBytes: number;
  /** The same for all streams together. */
  readonly connectionWindowBytes: number;
  /** The peer's first SETTINGS must come within this time. */
  readonly settingsTimeoutMs: number;
  /** A stream of which the peer takes nothing for so long, though something waits for it, is reset; for servers. */
  readonly stalledMs?: number;
}

/** Follows a connection. */
export interface ConnectionHandler {
  /** A new request; the stream's handler must be set before it returns. */
  onStream(stream: Http2Stream, fields: Fields, ended: boolean): void;
  /** A stream that {@link onStream} was told of is over. */
  onStreamClose(): void;
  /** The peer's settings arrived. */
  onSettings(): void;
  /** The peer takes no more streams. */
  onGoaway(code: number): void;
  /** It is over; with the reason when that was a fault. */
  onClose(error: Error | undefined): void;
}
