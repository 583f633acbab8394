import type { Outbox } from "./outbox.ts";
import type { ReceiveWindow } from "./receive-window.ts";
import type { PeerSettings } from "./settings.ts";
import type { Http2Stream, StreamFate } from "./stream.ts";

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly options: { readonly streamWindowBytes: number };
  readonly outbox: Outbox;
  readonly window: ReceiveWindow;
  readonly peer: PeerSettings;
  /** Bytes that the peer lets this side send on all streams. */
  sendWindow: number;
  /** Resets a stream. */
  reset(stream: Http2Stream, code: number): void;
  /** A stream is over. */
  forget(stream: Http2Stream, fate: StreamFate, code: number): void;
  /** It waits for a window or for the wire. */
  block(stream: Http2Stream): void;
  /** It waits no more. */
  unblock(stream: Http2Stream): void;
}
