import { createFetchRpcLeaf } from "../../rpc/fetch-rpc-leaf.ts";
import { openRpcLeaf as openHttp2Leaf } from "../http2/rpc-leaf.ts";
import { checkTlsIdentity } from "../http2/tls-identity.ts";
import type { RpcLeaf, RpcLeafOptions } from "../port.ts";

/** The part of Deno's API that this file uses; the project's types are Node's. */
declare const Deno: {
  createHttpClient(options: {
    readonly cert?: string;
    readonly key?: string;
    readonly caCerts?: readonly string[];
    readonly poolMaxIdlePerHost?: number;
  }): { close(): void };
};

/**
 * An RPC transport to one endpoint. gRPC-Web goes over `fetch`: Deno's HTTP/2 client reports the end of
 * an answer before its last bytes, which connect-node's gRPC-Web takes for a broken one.
 *
 * @throws MeshError `ERR_TLS_CONFIG`
 */
export function openRpcLeaf(options: RpcLeafOptions): RpcLeaf {
  const { tls } = options;
  if (options.protocol !== "grpc-web") return openHttp2Leaf(options);
  if (tls !== undefined) checkTlsIdentity(tls);
  const client = Deno.createHttpClient({
    ...(tls === undefined ? {} : { cert: tls.cert, key: tls.key, caCerts: [tls.ca] }),
    poolMaxIdlePerHost: options.maxConnectionsPerEndpoint,
  });
  const leaf = createFetchRpcLeaf({
    fetch: async (url, init) => fetch(url, { ...init, client } as RequestInit),
    options: { ...options, bidi: false },
  });
  return {
    ...leaf,
    async close() {
      await leaf.close();
      client.close();
    },
  };
}
