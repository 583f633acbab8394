import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import { callOptions } from "../../src/rpc/context.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { echoRoutes } from "../rpc/echo.ts";

describe("a call that waits for an endpoint", () => {
  it("waits until somebody listens, by REST and by RPC, although it may not be repeated", async () => {
    const serving = createMesh({ service: "lake" });
    const app = serving.app();
    app.post("/x", (c) => c.text("ok"));
    const first = await serving.serve({ app, port: 0, hostname: "127.0.0.1" });
    await first.close({ force: true });
    let retries = 0;
    const bothWait = Promise.withResolvers<void>();
    const mesh = createMesh({
      service: "gateway",
      resolver: staticResolver({ lake: [`http://127.0.0.1:${first.port}`] }),
      policies: { lake: { retry: false, breaker: false } },
      onEvent: ({ type }) => {
        if (type === "retry" && ++retries === 6) bothWait.resolve();
      },
    });
    const rest = mesh.rest("lake").post("x", { waitForReady: true }).text();
    const echo = createClient(EchoService, mesh.transport("lake", { protocol: "grpc" }));
    const rpc = echo.echo({ text: "hi" }, callOptions({ waitForReady: true }));
    await bothWait.promise;
    const later = createMesh({ service: "lake" });
    const laterApp = later.app();
    laterApp.post("/x", (c) => c.text("ok"));
    const server = await later.serve({
      app: laterApp,
      routes: echoRoutes,
      port: first.port,
      hostname: "127.0.0.1",
    });
    assert.equal(await rest, "ok");
    assert.equal((await rpc).text, "hi");
    await mesh.close();
    await server.close({ force: true });
  });
});
