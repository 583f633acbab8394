import type { Clock } from "../../core/clock.ts";
import type { Fields, Http2Stream } from "./streams/stream.ts";

/** Pings on a connection with open streams. */
export interface Keepalive {
  /** One goes out after so much silence, or up to a fifth more. */
  readonly intervalMs: number;
  /** Without its reply for so long, the connection is over. */
  readonly timeoutMs: number;
}

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
  /**
   * Bytes that may wait for the peer in all streams together, four times as many when it takes of all of them; more reset
   * a stream. @default 128 MiB; clients: none
   */
  readonly maxQueuedBytes?: number;
  /** A stream is reset when the peer takes less of it than `minProgressBytes` in this time, and more waits; for servers. */
  readonly stalledMs?: number;
  /** A stream whose body is expected is reset when less than `minProgressBytes` of it comes in this time; for servers. */
  readonly slowBodyMs?: number;
  /** @default 1024 */
  readonly minProgressBytes?: number;
  /** A frame, or a header block, that has begun must be complete within this time; for servers. */
  readonly headersTimeoutMs?: number;
  /** A connection without streams on which nothing came for this time is closed; one with streams is pinged. For servers. */
  readonly idleMs?: number;
  /** When a connection with streams is pinged. @default after `idleMs`, with a fifth of it for the reply */
  readonly keepalive?: Keepalive;
  /** Times the connection. */
  readonly clock: Clock;
}

/**
 * Follows a connection. What one of its functions throws ends nothing, except that {@link onStream} loses its stream:
 * it is told to {@link onError}.
 */
export interface ConnectionHandler {
  /** A new request; the stream's handler must be set before it returns. */
  onStream(stream: Http2Stream, fields: Fields, ended: boolean): void;
  /** A stream that {@link onStream} was told of is over. */
  onStreamClose(): void;
  /** The peer's settings arrived. */
  onSettings(): void;
  /** A handler threw: that of a stream, which was reset, or this one. What this function throws is lost. */
  onError(error: unknown, stream: Http2Stream | undefined): void;
  /** The peer takes no more streams. */
  onGoaway(code: number): void;
  /** It is over; with the reason when that was a fault. */
  onClose(error: Error | undefined): void;
}
