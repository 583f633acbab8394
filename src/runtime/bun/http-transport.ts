import { faultOf } from "../../net/platform/socket-fault.ts";
import type { ConnectOptions } from "../../net/port.ts";
import { checkTlsIdentity } from "../../net/tls/tls-identity.ts";
import { createFetchTransport } from "../../rest/fetch-transport.ts";
import type { HttpTransport } from "../../rest/http-transport.ts";

/**
 * The HTTP transport on Bun's `fetch`, which takes the certificate and the authorities with each request.
 *
 * @throws MeshError `ERR_TLS_CONFIG`
 */
export function openHttpTransport(options: ConnectOptions): HttpTransport {
  const { tls, maxConnectionsPerEndpoint, idleTimeoutMs, clock } = options;
  if (tls !== undefined) checkTlsIdentity(tls);
  return createFetchTransport({
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
