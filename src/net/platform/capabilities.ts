import type { Capabilities } from "../port.ts";

/** Deno's TLS (rustls) has one list of suites, and Bun's (BoringSSL) takes orders for TLS 1.2 alone: neither says so. */
export const hasTlsCiphers: boolean = !("Deno" in globalThis) && !("Bun" in globalThis);

/** What Node, Deno and Bun share: they all have Node's sockets and TLS, and the mesh's HTTP/2 on them. */
export const serverCapabilities: Omit<Capabilities, "fetchBidi"> = {
  listen: true,
  mtlsClient: true,
  mtlsServer: true,
  serverIdentity: true,
  tlsCiphers: hasTlsCiphers,
  grpcClient: true,
  grpcServer: true,
  asyncContext: true,
  signals: true,
};
