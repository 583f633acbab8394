import { systemClock } from "../../core/clock.ts";
import { isMeshError } from "../../core/errors.ts";
import type { ServerIdentity, TlsOptions } from "../../core/identity.ts";
import { faultOf } from "../../net/platform/socket-fault.ts";
import type { ConnectOptions } from "../../net/port.ts";
import { checkTls } from "../../net/tls/check-tls.ts";
import { silentRefusal, tlsFailure } from "../../net/tls/client-failure.ts";
import { defaultMinVersion } from "../../net/tls/client-tls.ts";
import { explain, isVague, mayWantTls } from "../../net/tls/explain.ts";
import { certificatesIn } from "../../net/tls/pem.ts";
import { refuseCleartext, serverCheck } from "../../net/tls/server-check.ts";
import { serverRoots } from "../../net/tls/server-roots.ts";
import { tlsErrorIn } from "../../net/tls/tls-failure.ts";
import { placeOf } from "../../rest/fetch-errors.ts";
import { createFetchTransport } from "../../rest/fetch-transport.ts";
import type { HttpTransport } from "../../rest/http-transport.ts";
import { checkServerIdentity } from "../../security/server-identity.ts";

/** Versions as they are written in the protocol: Bun's `fetch` takes nothing else. */
const versions = { "TLSv1.2": 0x0303, "TLSv1.3": 0x0304 } as const;

/** How Bun's `fetch` speaks TLS. */
function tlsInit(tls: TlsOptions, server: ServerIdentity | undefined): Readonly<Record<string, unknown>> {
  const ca = serverRoots(tls);
  return {
    tls: {
      ...(tls.cert !== undefined && { cert: certificatesIn(tls.cert).join("\n") }),
      ...(tls.key !== undefined && { key: tls.key }),
      ...(tls.passphrase !== undefined && { passphrase: tls.passphrase }),
      ...(ca !== undefined && { ca }),
      minVersion: versions[tls.minVersion ?? defaultMinVersion],
      ...(server?.serverName !== undefined && { serverName: server.serverName }),
      // With a check of its own a connection serves one request, so names are left to Bun.
      ...(server?.spiffeId !== undefined && { checkServerIdentity: serverCheck(server) }),
    },
  };
}

/**
 * The HTTP transport on Bun's `fetch`, which takes the certificate and the authorities with each request.
 *
 * @throws MeshError `ERR_TLS_CONFIG`, `ERR_CAPABILITY` for cipher suites
 */
export function openHttpTransport(options: ConnectOptions): HttpTransport {
  const { tls, maxConnectionsPerEndpoint, idleTimeoutMs, clock = systemClock } = options;
  if (tls !== undefined) checkTls(tls);
  const inits = new WeakMap<ServerIdentity, Readonly<Record<string, unknown>>>();
  return createFetchTransport({
    fetch,
    faultOf,
    init: tls === undefined ? {} : tlsInit(tls, undefined),
    initFor(server, origin) {
      refuseCleartext(origin, server);
      let init = inits.get(server);
      if (init === undefined) {
        checkServerIdentity("a connection", server);
        init = tlsInit(tls ?? {}, server);
        inits.set(server, init);
      }
      return init;
    },
    explain(error, origin, call) {
      // What was refused here needs no explanation.
      if (isMeshError(error)) return undefined;
      const doing = `Cannot reach ${placeOf(call, origin)}`;
      const target = { origin, tls, server: call.endpoint?.tls };
      const found = tlsErrorIn(error);
      const fault = faultOf(error);
      if (found !== undefined && !isVague(error)) {
        return Promise.resolve(tlsFailure(doing, target, found.reason, found.error));
      }
      if (found !== undefined || mayWantTls(target, fault)) {
        return explain(error, target, clock).then((told) => {
          const better = tlsErrorIn(told);
          return better === undefined ? told : tlsFailure(doing, target, better.reason, better.error);
        });
      }
      const refusal = fault && silentRefusal(doing, target, fault, error);
      return refusal && Promise.resolve(refusal);
    },
    maxConnectionsPerEndpoint,
    unpooled: { keepalive: false },
    idleTimeoutMs,
    clock,
    reusesSignals: true,
  });
}
