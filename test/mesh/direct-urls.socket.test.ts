import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createMesh } from "../../src/mesh/mesh.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { echoRoutes } from "../rpc/echo.ts";
import { unless } from "../support/capability.ts";

describe("a client for a URL, over sockets", unless("listen"), () => {
  it("calls by REST, gRPC, gRPC-Web and Connect", async () => {
    await using served = createMesh({ service: "echo", server: { rateLimit: false } });
    const app = served.app();
    app.get("/v1/hello", (c) =>
      c.json({ trace: c.req.header("traceparent"), id: c.req.header("x-request-id") }),
    );
    const server = await served.serve({ hostname: "127.0.0.1", port: 0, app, routes: echoRoutes });
    await using mesh = createMesh({ service: "gateway" });
    const { trace, id } = await mesh.rest(`${server.url}/v1`).get("hello").json<Record<string, string>>();
    assert.match(trace ?? "", /^00-/);
    assert.equal(id, undefined);
    for (const protocol of [undefined, "grpc", "grpc-web", "connect"] as const) {
      const transport = mesh.transport(server.url, protocol && { protocol });
      const client = createClient(EchoService, transport);
      assert.equal((await client.echo({ text: "hello" })).text, "hello");
      const health = await transport.health();
      assert.equal(health.ready, true);
    }
    assert.equal(mesh.endpoints().length, 1);
    assert.equal(mesh.endpoints()[0]?.inFlight, 0);
  });
});
