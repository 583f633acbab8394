import type { Capabilities } from "../port.ts";

/** What Node, Deno and Bun share: they all have Node's HTTP/2 and TLS. */
export const serverCapabilities: Omit<Capabilities, "fetchBidi"> = {
  listen: true,
  mtlsClient: true,
  mtlsServer: true,
  grpcClient: true,
  grpcServer: true,
  asyncContext: true,
  signals: true,
};
