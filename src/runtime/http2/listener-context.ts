import type { ListenOptions } from "../port.ts";
import type { ConnectionRecord, Connections } from "./connections.ts";
import type { Application } from "./serve.ts";
import type { Fields, Http2Stream } from "./wire/stream.ts";

/** What every server of a listener is made with. */
export interface ListenerContext {
  readonly application: Application;
  readonly connections: Connections;
  readonly onConnectionError: ListenOptions["onConnectionError"];
  /** Serves a request that arrived by HTTP/2. */
  readonly onStream: (
    stream: Http2Stream,
    fields: Fields,
    ended: boolean,
    connection: ConnectionRecord,
  ) => void;
}
