import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createMesh } from "../../mod.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import type { HandlerOptions, Mesh, MeshOptions } from "../../src/mesh/options.ts";
import { createFetchRpcTransport } from "../../src/rpc/client/fetch-rpc-transport.ts";
import { echoRoutes } from "./echo.ts";

/** A mesh's handler, called in this process. */
export interface Served {
  readonly mesh: Mesh;
  readonly transport: Transport;
  readonly health: Client<typeof Health>;
}

/** Serves the EchoService with what the mesh puts beside it. */
export function serveStandard(
  options: Partial<HandlerOptions> = {},
  meshOptions: Partial<MeshOptions> = {},
): Served {
  const mesh = createMesh({ service: "echo", ...meshOptions });
  const handler = mesh.handler({ routes: echoRoutes, ...options });
  const { transport } = createFetchRpcTransport({
    fetch: async (url, init) => handler.fetch(new Request(url, init as RequestInit)),
    options: { origin: "https://echo.test", protocol: "connect" },
  });
  return { mesh, transport, health: createClient(Health, transport) };
}
