import type { HttpLeaf } from "../../http/exchange.ts";
import { createFetchLeaf } from "../../http/fetch-leaf.ts";
import { faultOf } from "../http2/fault.ts";
import { checkTlsIdentity } from "../http2/tls-identity.ts";
import type { LeafOptions } from "../port.ts";

/** The part of Deno's API that this file uses; the project's types are Node's. */
declare const Deno: {
  createHttpClient(options: {
    readonly cert?: string;
    readonly key?: string;
    readonly caCerts?: readonly string[];
    readonly poolMaxIdlePerHost?: number;
    readonly http1?: boolean;
    readonly http2?: boolean;
  }): { close(): void };
};

/**
 * The HTTP leaf on Deno's `fetch`, with a client that shows the certificate and trusts the given
 * authorities.
 *
 * @throws MeshError `ERR_TLS_CONFIG`
 */
export function openHttpLeaf(options: LeafOptions): HttpLeaf {
  const { tls, maxConnectionsPerEndpoint } = options;
  if (tls !== undefined) checkTlsIdentity(tls);
  const client = Deno.createHttpClient({
    ...(tls === undefined ? {} : { cert: tls.cert, key: tls.key, caCerts: [tls.ca] }),
    poolMaxIdlePerHost: maxConnectionsPerEndpoint,
    http2: false,
  });
  return createFetchLeaf({
    fetch,
    faultOf,
    init: { client },
    maxConnectionsPerEndpoint,
    close: () => client.close(),
  });
}
