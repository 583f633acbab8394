import type { Clock } from "../../core/clock.ts";
import type { ListenOptions } from "../port.ts";
import type { ConnectionRecord, Connections } from "./connections.ts";
import type { Application } from "./serve.ts";
import type { Fields, Http2Stream } from "./wire/stream.ts";

/** What every server of a listener is made with. */
export interface ListenerContext {
  readonly application: Application;
  readonly connections: Connections;
  readonly onConnectionError: ListenOptions["onConnectionError"];
  /** Times connections; the platform's by default. */
  readonly clock?: Clock;
  /**
   * From this age on, give or take a tenth, an HTTP/2 connection takes no new requests, in milliseconds: clients then
   * open another one, by which new servers come to their share. None by default.
   */
  readonly maxConnectionAgeMs?: number | undefined;
  /** How long the requests that are open then may take, in milliseconds; by default as long as they will. */
  readonly maxConnectionAgeGraceMs?: number | undefined;
  /** Serves a request that arrived by HTTP/2. */
  readonly onStream: (
    stream: Http2Stream,
    fields: Fields,
    ended: boolean,
    connection: ConnectionRecord,
  ) => void;
}
