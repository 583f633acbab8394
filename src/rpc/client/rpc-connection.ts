import type { ConnectError } from "@connectrpc/connect";
import type { Fields, Http2Stream, StreamHandler } from "../../http/http2/streams/stream.ts";
import type { PendingConnection } from "./connection-queue.ts";
import type { RpcTransportState } from "./rpc-transport.ts";

/** One HTTP/2 connection as a call uses it, with a place reserved for the call. */
export interface RpcConnection {
  /**
   * Opens the stream of the call.
   *
   * @throws ConnectError `unavailable` when the connection ended meanwhile, so that the call never started
   */
  request(fields: Fields, handler: StreamHandler): Http2Stream;
  /** Gives the place back; once, whatever became of the call. */
  release(): void;
  /** Says that the call was given up, which may be the connection's fault. */
  givenUp(stream: Http2Stream | undefined, error: ConnectError): void;
  /** Why a stream ended before its status was there. */
  errorOf(stream: Http2Stream): ConnectError;
}

/** The connections to one endpoint. */
export interface RpcConnectionPool {
  /** A connection with a place reserved; at once when there is one. */
  take(): RpcConnection | PendingConnection<RpcConnection>;
  /** A look at the pool, for metrics. */
  readonly state: RpcTransportState;
  /** Takes no new calls; resolves when the open ones have finished, or were ended after `graceMs`. */
  close(graceMs: number): Promise<void>;
}
