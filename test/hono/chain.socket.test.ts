import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { after, before, describe, it } from "node:test";
import type { ListenOptions } from "../../src/net/port.ts";
import { createHealth } from "../../src/serve/health.ts";
import {
  http1,
  http2,
  openHttp2,
  serve,
  signal,
  type TestServer,
  within,
} from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { unless } from "../support/capability.ts";
import { type Fixture, serverFixture } from "./fixture.ts";

const modes: Readonly<Record<string, Partial<ListenOptions>>> = {
  "one port": { ports: { all: 0 } },
  "the runtime's own server": { ports: { rest: 0, grpc: 0 } },
};

for (const [mode, overrides] of Object.entries(modes)) {
  describe(`the server's chain on ${mode}`, unless("listen"), () => {
    const cleanup = new Cleanup();
    let server: TestServer;
    let fixture: Fixture;
    let started = signal();
    before(async () => {
      fixture = serverFixture({}, { bodyLimitBytes: 100_000, health: createHealth() });
      const { app } = fixture;
      app.get("/items/:id", (c) => c.json({ id: c.req.param("id"), peer: c.get("call").peer ?? null }));
      app.post("/json", async (c) => c.json(await c.req.json()));
      app.post("/length", async (c) => c.text(String((await c.req.text()).length)));
      app.post("/waits", async (c) => {
        const { signal: gone } = c.get("call");
        started.fire();
        await new Promise((_, reject) => gone.addEventListener("abort", () => reject(gone.reason)));
        return c.text("unreachable");
      });
      server = await serve(cleanup, (request, connection) => app.fetch(request, { connection }), overrides);
    });
    after(() => cleanup.run());

    it("responds with the request's id, over HTTP/1.1 and HTTP/2", async () => {
      const headers = { "x-request-id": "req-1" };
      const one = await http1(server.port, { path: "/items/7", headers });
      assert.deepEqual(
        [one.status, one.headers["x-request-id"], one.text],
        [200, "req-1", '{"id":"7","peer":null}'],
      );
      if (mode !== "one port") return;
      const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
      const two = await http2(session, { ":path": "/items/8", ...headers });
      assert.deepEqual(
        [two.status, two.headers["x-request-id"], two.text],
        [200, "req-1", '{"id":"8","peer":null}'],
      );
    });

    it("responds to bad requests with problems, and goes on serving", async () => {
      const wrong = [
        [{ path: "/json", method: "POST", body: '{"a":' }, 400, "ERR_INVALID_BODY"],
        [{ path: "/nowhere" }, 404, "ERR_ROUTE_UNKNOWN"],
        [{ path: "/json", method: "PUT", body: "{}" }, 405, "ERR_METHOD_NOT_ALLOWED"],
        [{ path: "/length", method: "POST", body: "x".repeat(100_001) }, 413, "ERR_BODY_TOO_LARGE"],
      ] as const;
      for (const [{ ...options }, status, code] of wrong) {
        const response = await http1(server.port, options);
        assert.equal(response.status, status);
        assert.equal(response.headers["content-type"], "application/problem+json");
        assert.equal(JSON.parse(response.text).code, code);
      }
      assert.equal((await http1(server.port, { path: "/healthz" })).status, 200);
    });

    it("stops a body without Content-Length that is too large, and takes one that is not", async () => {
      const headers = { "transfer-encoding": "chunked" };
      const large = { path: "/length", method: "POST", headers, body: "x".repeat(100_001) };
      const refused = await http1(server.port, large);
      assert.deepEqual([refused.status, JSON.parse(refused.text).code], [413, "ERR_BODY_TOO_LARGE"]);
      const taken = await http1(server.port, { ...large, body: "x".repeat(100_000) });
      assert.deepEqual([taken.status, taken.text], [200, "100000"]);
    });

    it("cancels the call of a client that vanishes, and counts it", async () => {
      started = signal();
      const before = await fixture.count({ outcome: "cancelled" });
      const request = httpRequest({
        host: "127.0.0.1",
        port: server.port,
        path: "/waits",
        method: "POST",
        agent: false,
      });
      request.on("error", () => {});
      request.end("{}");
      await within(started.promise, "the handler");
      request.destroy();
      const counted = async (): Promise<void> => {
        while ((await fixture.count({ outcome: "cancelled" })) === before) {
          await http1(server.port, { path: "/healthz" });
        }
      };
      await within(counted(), "the end of the call");
      assert.equal(fixture.pipeline.inFlight, 0);
      assert.equal((await http1(server.port, { path: "/items/7" })).status, 200);
    });
  });
}
