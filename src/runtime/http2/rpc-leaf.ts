import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import type { RpcLeaf, RpcLeafOptions } from "../port.ts";
import { checkTlsIdentity } from "./tls-identity.ts";

const transports = {
  grpc: createGrpcTransport,
  "grpc-web": createGrpcWebTransport,
  connect: createConnectTransport,
} as const;

/**
 * An RPC transport to one endpoint over HTTP/2, for all dialects. It keeps one connection, makes it when
 * the first call needs it, and makes a new one after a GOAWAY or a failure.
 */
export function openRpcLeaf(options: RpcLeafOptions): RpcLeaf {
  const { origin, tls } = options;
  if (tls !== undefined) checkTlsIdentity(tls);
  const sessions = new Http2SessionManager(
    origin,
    // A peer that vanished without a word is noticed by pings while calls wait for it.
    { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 },
    tls === undefined ? {} : { cert: tls.cert, key: tls.key, ca: tls.ca },
  );
  const transport = transports[options.protocol]({
    baseUrl: origin,
    httpVersion: "2",
    sessionManager: sessions,
    useBinaryFormat: options.useBinaryFormat,
    readMaxBytes: options.maxMessageBytes,
    writeMaxBytes: options.maxMessageBytes,
  });
  return {
    transport,
    async close() {
      sessions.abort();
    },
  };
}
