import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { MeshError } from "../../src/core/errors.ts";
import { createSource } from "../../src/core/source.ts";
import type { Server } from "../../src/mesh/options.ts";
import type { ServerOptions } from "../../src/serve/server-options.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { foreignSession } from "../net/listen/listener-fixture.ts";
import { Cleanup, failure } from "../rpc/client/grpc-checks.ts";
import { all } from "../rpc/echo.ts";
import { closeAll, leavesOf, until } from "../rpc/socket-fixture.ts";
import { unless } from "../support/capability.ts";
import { asAnn, type LayeredMesh, layeredMesh } from "./server-layers-fixture.ts";

const protocols = ["grpc", "grpc-web", "connect"] as const;

describe("a layer of a mesh's server", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(async () => {
    await cleanup.run();
    await closeAll();
  });

  async function serve(made: LayeredMesh): Promise<Server> {
    const { mesh, app, routes } = made;
    const server = await mesh.serve({ app, routes, hostname: "127.0.0.1", port: 0 });
    cleanup.add(() => server.close({ force: true }));
    return server;
  }

  it("sees every protocol on the one port, unary and streaming, and how each call ends", async () => {
    const made = layeredMesh();
    const server = await serve(made);
    const response = await fetch(`${server.url}/text`, { headers: asAnn });
    assert.equal(await response.text(), "ok");
    for (const protocol of protocols) {
      const client = createClient(EchoService, leavesOf(protocol)(server.url).transport);
      assert.equal((await client.echo({ text: "a" }, { headers: asAnn })).text, "a");
      assert.equal((await all(client.expand({ text: "a", count: 2 }, { headers: asAnn }))).length, 2);
      const error = await failure(client.echo({ text: "no", fail: Code.NotFound }, { headers: asAnn }));
      assert.equal(error.code, Code.NotFound);
    }
    await until(() => made.seen.length === 20, "the end of every call");
    const lines = (position: string): string[] =>
      made.seen.filter((line) => line.startsWith(position)).map((line) => line.slice(position.length + 1));
    const expected = [
      "rest GET /text ann somewhere ok",
      ...protocols.flatMap((protocol) =>
        ["Echo ann somewhere ok", "Expand ann somewhere ok", "Echo ann somewhere not_found"].map(
          (rest) => `${protocol} ${EchoService.typeName}/${rest}`,
        ),
      ),
    ];
    assert.deepEqual(lines("request"), expected);
    assert.deepEqual(lines("handler"), expected);
  });

  for (const position of ["request", "handler"] as const) {
    it(`may refuse calls at \`${position}\` in every protocol, at once and later`, async () => {
      const made = layeredMesh();
      const server = await serve(made);
      for (const late of [false, true]) {
        made.before = (at) => {
          if (at !== position) return;
          const error = new MeshError("ERR_PERMISSION_DENIED", "Not on a Sunday");
          if (!late) throw error;
          return new Promise((_, reject) => setImmediate(() => reject(error)));
        };
        assert.equal((await fetch(`${server.url}/text`, { headers: asAnn })).status, 403);
        for (const protocol of protocols) {
          const client = createClient(EchoService, leavesOf(protocol)(server.url).transport);
          const error = await failure(client.echo({ text: "a" }, { headers: asAnn }));
          assert.deepEqual([error.code, error.rawMessage], [Code.PermissionDenied, "Not on a Sunday"]);
        }
      }
    });
  }

  it("may hold a gRPC call back, with messages that came meanwhile", async () => {
    const made = layeredMesh();
    const server = await serve(made);
    made.before = () => new Promise((resolve) => setImmediate(resolve));
    const client = createClient(EchoService, createGrpcTransport(foreignSession(cleanup, server.url)));
    async function* texts(): AsyncGenerator<{ text: string }> {
      yield { text: "a" };
      yield { text: "b" };
    }
    assert.equal((await client.collect(texts(), { headers: asAnn })).text, "a b");
    assert.equal((await client.echo({ text: "c" }, { headers: asAnn })).text, "c");
  });

  it("fails a gRPC call that it neither lets on nor refuses", async () => {
    const told: unknown[] = [];
    const made = layeredMesh({
      onError: (error) => told.push(error),
      layers: { server: { handler: [() => () => undefined as never] } },
    });
    const server = await serve(made);
    for (const protocol of protocols) {
      const client = createClient(EchoService, leavesOf(protocol)(server.url).transport);
      assert.equal((await failure(client.echo({}, { headers: asAnn }))).code, Code.Internal);
    }
    assert.equal((await fetch(`${server.url}/text`, { headers: asAnn })).status, 500);
    assert.equal(told.length, 4);
  });

  it("holds its place in REST and RPC together, under limits that change while it runs", async () => {
    const options = createSource<ServerOptions>({ rateLimit: false, maxConcurrent: 1 });
    const made = layeredMesh({ server: options });
    const held = Promise.withResolvers<Response>();
    made.app.get("/held", () => held.promise);
    const server = await serve(made);
    const running = fetch(`${server.url}/held`);
    await until(() => server.inFlight === 1, "the request");
    const client = createClient(EchoService, leavesOf("grpc")(server.url).transport);
    assert.equal((await failure(client.echo({}))).code, Code.ResourceExhausted);
    options.set({ rateLimit: false, maxConcurrent: 2 });
    assert.equal((await client.echo({ text: "a" })).text, "a");
    held.resolve(new Response("ok"));
    assert.equal((await running).status, 200);
  });
});
