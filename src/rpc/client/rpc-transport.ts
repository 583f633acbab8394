import type { Transport } from "@connectrpc/connect";
import type { ConnectOptions } from "../../core/connection.ts";
import type { ServerIdentity } from "../../core/identity.ts";
import type { RpcProtocol } from "../dialect/rpc-protocol.ts";
import type { RpcTransportEncoding } from "./transport-settings.ts";

/** The connections of a transport at one moment. */
export interface RpcTransportState {
  /** HTTP/2 sessions that take new calls. */
  readonly sessions: number;
  /** Calls that are open, also on sessions that take no new ones. */
  readonly streams: number;
  /** Calls that wait for a place on a session. */
  readonly waiting: number;
}

/** A transport bound to one endpoint, without any policy. */
export interface RpcTransport {
  readonly transport: Transport;
  /**
   * Whether the transport follows the `Call` it finds in its context values (`contextValues.get(meshCall)`):
   * it stops with it and takes its deadline from it. It is then given no `AbortSignal`, which saves making one per call.
   *
   * @default false
   */
  readonly followsCall?: boolean;
  /** A look at its connections, for metrics. @default unknown */
  state?(): RpcTransportState;
  /** Whether calls are open, where `state` does not tell. @default unknown, and closing it breaks none */
  busy?(): boolean;
  /** Closes idle connections and lets used ones finish. */
  close(): Promise<void>;
}

/** How one endpoint is called by RPC. */
export interface RpcTransportOptions extends ConnectOptions, RpcTransportEncoding {
  readonly origin: string;
  readonly protocol: RpcProtocol;
  readonly useBinaryFormat: boolean;
  readonly maxMessageBytes: number;
  /** Whether Connect calls without side effects go out as GET. @default false */
  readonly useHttpGet?: boolean;
  /** Who the server must be, where the origin does not say. @default as the origin says */
  readonly server?: ServerIdentity | undefined;
}
