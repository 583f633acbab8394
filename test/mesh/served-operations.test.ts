import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { createSource } from "../../src/core/source.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh } from "../../src/mesh/options.ts";
import type { RpcRouter } from "../../src/rpc/server/router.ts";
import type { ServerOptions } from "../../src/serve/server-options.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { unless } from "../support/capability.ts";

function meshWith(...names: readonly string[]): Mesh {
  const methods = Object.fromEntries(names.map((name) => [name, { maxConcurrent: 1 }]));
  return createMesh({ service: "shop", server: { methods } });
}

const routes = (router: RpcRouter): unknown => router.service(EchoService, {});

function refusal(serve: () => unknown, message: string): void {
  assert.throws(serve, (error: Error) => {
    assert.equal(error.message, message);
    return error instanceof TypeError;
  });
}

describe("Options of the server for single routes and methods", () => {
  it("are taken for what is served, by each of its names", () => {
    const mesh = meshWith("GET /datasets/:name", "ALL /any", "Echo", "datapunk.mesh.test.v1.EchoService/Get");
    const app = mesh.app();
    app.get("/datasets/:name", (c) => c.text("here"));
    app.all("/any", (c) => c.text("here"));
    mesh.handler({ app, routes });
  });

  it("are refused for a route that is not there, with the nearest one", () => {
    const mesh = meshWith("GET /dataset/:name");
    const app = mesh.app();
    app.get("/datasets/:name", (c) => c.text("here"));
    refusal(
      () => mesh.handler({ app }),
      'Cannot make a handler: server.methods has "GET /dataset/:name", which is no route of the app and no RPC; did you mean "GET /datasets/:name"?',
    );
  });

  it("are refused for a path in the place of the route that it takes", () => {
    const mesh = meshWith("GET /any");
    const app = new Hono();
    app.use("*", (_, next) => next());
    app.all("/any", (c) => c.text("here"));
    refusal(
      () => mesh.handler({ app }),
      'Cannot make a handler: server.methods has "GET /any", which is no route of the app and no RPC; did you mean "ALL /any"?',
    );
  });

  it("are refused for an RPC as clients spell it", () => {
    refusal(
      () => meshWith("echo").handler({ routes }),
      'Cannot make a handler: server.methods has "echo", which is no route of the app and no RPC; did you mean "Echo"?',
    );
  });

  it("are refused with what there is, where nothing is near", () => {
    const mesh = meshWith("POST /orders/:id/cancellation");
    const app = new Hono();
    app.get("/a", (c) => c.text("here"));
    refusal(
      () => mesh.handler({ app }),
      'Cannot make a handler: server.methods has "POST /orders/:id/cancellation", which is no route of the app and no RPC; there are GET /a',
    );
    refusal(
      () => mesh.handler({ app: { fetch: () => new Response() } }),
      'Cannot make a handler: server.methods has "POST /orders/:id/cancellation", which is no route of the app and no RPC; there are GET /a',
    );
  });

  it("are refused by serve() before a port is open", unless("listen"), async () => {
    const mesh = meshWith("Ecko");
    await assert.rejects(mesh.serve({ routes, port: 0, hostname: "127.0.0.1" }), {
      name: "TypeError",
      message:
        'Cannot serve: server.methods has "Ecko", which is no route of the app and no RPC; did you mean "Echo"?',
    });
  });

  it("may be for another app of the mesh, and for what is served besides", () => {
    const mesh = meshWith("GET /public", "GET /internal", "Echo");
    const [first, second] = [mesh.app(), mesh.app()];
    first.get("/public", (c) => c.text("here"));
    second.get("/internal", (c) => c.text("here"));
    mesh.handler({ routes, app: first });
    mesh.handler({ app: second });
  });

  it("may be for an app that another listener serves behind the mesh's middleware", () => {
    const mesh = meshWith("GET /elsewhere", "Echo");
    new Hono().use(mesh.middleware()).get("/elsewhere", (c) => c.text("here"));
    mesh.handler({ routes });
  });

  it("are refused as a later value of a source, which leaves the one before in use", async () => {
    const told: unknown[] = [];
    const server = createSource<ServerOptions>({ methods: { Unheard: { maxConcurrent: 1 } } });
    const mesh = createMesh({ service: "shop", server, onError: (error) => told.push(error) });
    // Nothing is served yet.
    server.set({ methods: { AlsoUnheard: { maxConcurrent: 1 } } });
    server.set({ methods: { Echo: { maxConcurrent: 1 } } });
    assert.deepEqual(told, []);
    mesh.handler({ routes });
    server.set({ methods: { Eco: { maxConcurrent: 1 } } });
    assert.deepEqual(
      told.map((error) => (error as Error).message),
      [
        'Cannot change the options of the server: server.methods has "Eco", which is no route of the app and no RPC; did you mean "Echo"?',
      ],
    );
    mesh.handler({ routes });
    await mesh.close();
  });
});
