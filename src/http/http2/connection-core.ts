import type { ConnectionOptions } from "./connection-options.ts";
import type { SafeHandler } from "./streams/safe-handler.ts";
import type { Http2Stream } from "./streams/stream.ts";
import type { StreamHost } from "./streams/stream-host.ts";

/** What the reading half of a connection needs of the whole. */
export interface ConnectionCore extends StreamHost<Http2Stream> {
  readonly options: ConnectionOptions;
  readonly handler: SafeHandler;
  readonly server: boolean;
  readonly streams: ReadonlyMap<number, Http2Stream>;
  /** Those that wait; `full` when so many bytes wait in them that nothing new is begun. */
  readonly waiting: StreamHost<Http2Stream>["waiting"] & { readonly full: boolean };
  /** The next stream that this side would open. */
  readonly nextId: number;
  /** The highest stream of the peer. */
  lastPeerId: number;
  /** The last stream of this side that the peer will look at. */
  goawayId: number;
  /** Exchanges that are complete: the request and the response came to their ends, and a handler saw them. */
  readonly completed: number;
  /** Whether new streams of the peer are refused. */
  readonly refusing: boolean;
  /** Whether nothing more is read or written. */
  readonly over: boolean;
  /** The peer opened a stream. */
  accept(id: number): Http2Stream;
  /** Resets a stream that is not there, or not any more. */
  refuse(id: number, code: number): void;
  /** Whether late frames of the stream are to be ignored, because this side gave it up. */
  wasGivenUp(id: number): boolean;
  /** Sends what waits, as far as it can; with true because a window has grown. */
  pump(forWindow?: boolean): void;
  /** The peer acknowledged a ping; false when there was none. */
  pong(number: number): boolean;
  /** The peer's settings changed, and the window of streams by so much. */
  settingsChanged(windowDelta: number): void;
  /** Ends everything at once; the peer is told the code. */
  destroy(code: number, error?: Error): void;
}
