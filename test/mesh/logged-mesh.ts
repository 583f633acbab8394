import { type Client, createClient } from "@connectrpc/connect";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh, MeshHandler, MeshOptions } from "../../src/mesh/options.ts";
import { createFetchRpcTransport } from "../../src/rpc/client/fetch-rpc-transport.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { echoRoutes } from "../rpc/echo.ts";
import { type RecordingLogger, recordingLogger } from "../telemetry/recording-logger.ts";

/** The credentials that are let in. */
export const asAnn = { authorization: "Bearer secret-token" };

/** A mesh behind its fetch handler, and what its logger was given. */
export interface LoggedMesh extends RecordingLogger {
  readonly mesh: Mesh;
  readonly handler: MeshHandler;
  /** Sends a request to its app, as Ann. */
  get(path: string, init?: RequestInit): Promise<Response>;
}

export function logged(options: Partial<MeshOptions> = {}): LoggedMesh {
  const recorded = recordingLogger();
  const mesh = createMesh({
    service: "shop",
    server: { rateLimit: false, auth: { validate: staticTokens({ "secret-token": "ann" }) } },
    logger: recorded.logger,
    ...options,
  });
  const app = mesh.app();
  app.get("/items/:id", (c) => c.text("item"));
  app.get("/broken", () => {
    throw new Error("the shelf fell\n2026 INFO down");
  });
  app.post("/items", async (c) => c.json(await c.req.json(), 201));
  const handler = mesh.handler({ app, routes: echoRoutes });
  const get = (path: string, init: RequestInit = {}): Promise<Response> =>
    handler.fetch(new Request(`https://shop.test${path}`, { headers: asAnn, ...init }));
  return { ...recorded, mesh, handler, get };
}

/** A client of a handler's RPCs. */
export function echoOf(handler: MeshHandler, protocol: "connect" | "grpc-web"): Client<typeof EchoService> {
  const { transport } = createFetchRpcTransport({
    fetch: (url, init) => handler.fetch(new Request(url, init as RequestInit)),
    options: { origin: "https://shop.test", protocol },
  });
  return createClient(EchoService, transport);
}
