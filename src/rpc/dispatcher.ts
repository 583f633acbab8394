import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Connection } from "../core/connection.ts";

/** One RPC on the server, after the mesh chain is put around it: security runs before a body is read. */
export type RpcHandler = (
  request: UniversalServerRequest,
  connection: Connection,
) => Promise<UniversalServerResponse>;

/** The RPC side of a listener: finds the handler of a path such as `/package.Service/Method`. */
export interface RpcDispatcher {
  find(path: string): RpcHandler | undefined;
}
