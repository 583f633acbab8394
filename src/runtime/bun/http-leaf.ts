import type { HttpLeaf } from "../../rest/http-transport.ts";
import { createFetchLeaf } from "../../rest/fetch-transport.ts";
import { faultOf } from "../../net/platform/socket-fault.ts";
import { checkTlsIdentity } from "../../net/tls/tls-identity.ts";
import type { LeafOptions } from "../../net/port.ts";

/**
 * The HTTP leaf on Bun's `fetch`, which takes the certificate and the authorities with each request.
 *
 * @throws MeshError `ERR_TLS_CONFIG`
 */
export function openHttpLeaf(options: LeafOptions): HttpLeaf {
  const { tls, maxConnectionsPerEndpoint, idleTimeoutMs, clock } = options;
  if (tls !== undefined) checkTlsIdentity(tls);
  return createFetchLeaf({
    fetch,
    faultOf,
    init: tls === undefined ? {} : { tls: { cert: tls.cert, key: tls.key, ca: tls.ca } },
    maxConnectionsPerEndpoint,
    unpooled: { keepalive: false },
    idleTimeoutMs,
    clock,
    reusesSignals: true,
  });
}
