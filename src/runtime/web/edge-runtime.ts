import { MeshError, type TransportFault } from "../../core/errors.ts";
import type { ServerIdentity, TlsOptions } from "../../core/identity.ts";
import type { AsyncContext, Capabilities, Runtime, RuntimeName } from "../../net/port.ts";
import { createFetchTransport, type FetchFunction } from "../../rest/fetch-transport.ts";
import { createFetchRpcTransport } from "../../rpc/client/fetch-rpc-transport.ts";

/** What tells one platform that has only `fetch` from another. */
export interface EdgeRuntimeOptions {
  readonly name: RuntimeName;
  readonly capabilities: Capabilities;
  readonly fetch: FetchFunction;
  readonly faultOf: (error: unknown) => TransportFault | undefined;
  readonly asyncContext: AsyncContext | undefined;
  /** What to do on this platform instead of giving a certificate as PEM; ends a sentence. */
  readonly insteadOfPem: string;
}

/**
 * Makes the adapter of a platform that has `fetch` and no sockets. What it cannot do is refused with an error
 * that names the platform and the alternative.
 */
export function createEdgeRuntime(options: EdgeRuntimeOptions): Runtime {
  const { name, capabilities, fetch, faultOf, asyncContext, insteadOfPem } = options;

  function refusePem(tls: TlsOptions | undefined): void {
    if (tls === undefined) return;
    throw new MeshError(
      "ERR_CAPABILITY",
      `Cannot use tls: { cert, key, ca } on ${name}: its fetch takes no PEM; ${insteadOfPem}`,
    );
  }

  function refuseIdentity(_server: ServerIdentity): never {
    throw new MeshError(
      "ERR_CAPABILITY",
      `Cannot verify a server's tls: { serverName, spiffeId } on ${name}: its fetch verifies the host of the URL alone (capability serverIdentity); leave it out there`,
    );
  }

  return {
    name,
    capabilities,
    faultOf,
    asyncContext,
    openHttpTransport({ tls, maxConnectionsPerEndpoint }) {
      refusePem(tls);
      return createFetchTransport({ fetch, faultOf, initFor: refuseIdentity, maxConnectionsPerEndpoint });
    },
    openRpcTransport(rpc) {
      refusePem(rpc.tls);
      if (rpc.server !== undefined) refuseIdentity(rpc.server);
      if (rpc.protocol === "grpc") {
        throw new MeshError(
          "ERR_CAPABILITY",
          `Cannot call ${rpc.origin} by native gRPC on ${name}: its fetch shows no trailers; use protocol "connect" or "grpc-web"`,
        );
      }
      return createFetchRpcTransport({
        fetch: async (url, init) => fetch(url, init as RequestInit),
        options: { ...rpc, platform: name, bidi: capabilities.fetchBidi },
      });
    },
    async listen() {
      throw new MeshError(
        "ERR_CAPABILITY",
        `Cannot open a port on ${name}: the platform brings the requests; export mesh.handler({ app, routes }) instead of calling mesh.serve()`,
      );
    },
    onSignals: () => () => {},
  };
}
