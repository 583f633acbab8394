import type { Capabilities } from "../port.ts";

/** What Node, Deno and Bun share: they all have Node's sockets and TLS, and the mesh's HTTP/2 on them. */
export const serverCapabilities: Omit<Capabilities, "fetchBidi"> = {
  listen: true,
  mtlsClient: true,
  mtlsServer: true,
  grpcClient: true,
  grpcServer: true,
  asyncContext: true,
  signals: true,
};
