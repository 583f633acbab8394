import type { Clock } from "../../core/clock.ts";
import type { Fields } from "../../http/fields.ts";
import type { Http1Exchange } from "../../http/http1/http1-exchange.ts";
import type { Http1Limits } from "../../http/http1/http1-limits.ts";
import type { Http2Stream } from "../../http/http2/streams/stream.ts";
import type { ListenOptions, ServerKeepalive } from "../port.ts";
import type { ConnectionRecord, Connections } from "./connections.ts";

/** What every connection of a port is served with. */
export interface ListenerContext {
  readonly connections: Connections;
  readonly onConnectionError: ListenOptions["onConnectionError"];
  readonly onConnection: ListenOptions["onConnection"];
  /** Told of what escaped from a handler. */
  readonly onHandlerError: (error: unknown) => void;
  /** What HTTP/1.1 connections are granted. */
  readonly http1Limits: Http1Limits;
  /** How long HTTP/2 connections without a stream are kept. @default see `ListenerLimits` */
  readonly idleTimeoutMs: number | undefined;
  /** Pings on HTTP/2. @default see `ListenerLimits` */
  readonly keepalive: ServerKeepalive | undefined;
  /** Whether the proxy at an address says first for whom it connects; undefined when none does. */
  readonly sendsProxyHeader: ((address: string) => boolean) | undefined;
  /** Times connections. */
  readonly clock: Clock;
  /** Serves a request that arrived by HTTP/1.1; undefined where only HTTP/2 is spoken. */
  readonly onHttp1: ((exchange: Http1Exchange, connection: ConnectionRecord) => void) | undefined;
  /** Serves a request that arrived by HTTP/2. */
  readonly onStream: (
    stream: Http2Stream,
    fields: Fields,
    ended: boolean,
    connection: ConnectionRecord,
  ) => void;
}
