import {
  createConnectTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import type { RpcLeaf, RpcLeafOptions } from "../port.ts";
import { createGrpcLeaf } from "./grpc/client.ts";
import { checkTlsIdentity } from "./tls-identity.ts";

/**
 * An RPC transport to one endpoint over HTTP/2: the mesh's own client for gRPC, Connect's for the other
 * dialects. It connects when the first call needs it, and again after a GOAWAY or a failure.
 *
 * @throws MeshError `ERR_TLS_CONFIG`
 */
export function openRpcLeaf(options: RpcLeafOptions): RpcLeaf {
  const { origin, tls, protocol } = options;
  if (tls !== undefined) checkTlsIdentity(tls);
  if (protocol === "grpc") return createGrpcLeaf(options);
  const sessions = new Http2SessionManager(
    origin,
    // A peer that vanished without a word is noticed by pings while calls wait for it.
    { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 },
    tls === undefined ? {} : { cert: tls.cert, key: tls.key, ca: tls.ca },
  );
  const createTransport = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  const transport = createTransport({
    baseUrl: origin,
    httpVersion: "2",
    sessionManager: sessions,
    useBinaryFormat: options.useBinaryFormat,
    ...(protocol === "connect" && { useHttpGet: options.useHttpGet ?? false }),
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
