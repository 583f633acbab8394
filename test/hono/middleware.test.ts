import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { type MeshEnv, type MiddlewareOptions, meshMiddleware } from "../../src/hono/app.ts";
import { bodyLimit } from "../../src/hono/body-limit.ts";
import type { ServerOptions } from "../../src/serve/server-options.ts";
import { problemOf, serverFixture } from "./fixture.ts";

function existingApp(options: Partial<MiddlewareOptions> = {}, server: ServerOptions = {}) {
  const { pipeline, clock, count } = serverFixture(server);
  const app = new Hono<MeshEnv>();
  app.use(meshMiddleware({ pipeline, clock, ...options }));
  return { app, clock, count };
}

describe("meshMiddleware() on an existing Hono app", () => {
  it("puts the whole chain around its routes", async () => {
    const { app, count } = existingApp({}, { cors: { origins: ["https://a.example"] } });
    app.get("/datasets/:name", (c) => c.text(`${c.req.param("name")} ${c.get("call").operation}`));
    const response = await app.request("/datasets/flights", { headers: { origin: "https://a.example" } });
    assert.equal(await response.text(), "flights GET /datasets/:name");
    assert.ok(response.headers.has("x-request-id"));
    assert.equal(response.headers.get("access-control-allow-origin"), "https://a.example");
    assert.equal(await count({ operation: "GET /datasets/:name", outcome: "ok" }), 1);
  });

  it("responds to thrown errors with problems, without traces of the app's own response", async () => {
    const { app } = existingApp();
    app.get("/", (c) => {
      c.header("x-left", "over");
      throw new Error("secret");
    });
    const response = await app.request("/");
    const problem = await problemOf(response);
    assert.deepEqual([problem.status, problem.detail], [500, undefined]);
    assert.equal(response.headers.get("x-left"), null);
  });

  it("leaves errors to the app when told so", async () => {
    const { app, count } = existingApp({ errors: "app" });
    app.onError((_, c) => c.text("own", 418));
    app.get("/", () => {
      throw new Error("x");
    });
    const response = await app.request("/");
    assert.deepEqual([response.status, await response.text()], [418, "own"]);
    assert.equal(await count({ outcome: "http_418" }), 1);
  });

  it("limits bodies and time, routes with their own limit included", async () => {
    const { app, clock } = existingApp({ bodyLimitBytes: 10 }, { timeoutMs: 1_000 });
    app.post("/", async (c) => c.text(await c.req.text()));
    app.post("/more", bodyLimit(20), async (c) => c.text(await c.req.text()));
    app.get("/never", () => new Promise<Response>(() => {}));
    const init = { method: "POST", body: "x".repeat(15), headers: { "content-length": "15" } };
    assert.equal((await app.request("/", init)).status, 413);
    assert.equal((await app.request("/more", init)).status, 200);
    assert.equal((await clock.run(Promise.resolve(app.request("/never")))).status, 504);
  });

  it("leaves 404 to the app, and counts it as unmatched", async () => {
    const { app, count } = existingApp();
    app.notFound((c) => c.text("own 404", 404));
    const response = await app.request("/nowhere");
    assert.deepEqual([response.status, await response.text()], [404, "own 404"]);
    assert.ok(response.headers.has("x-request-id"));
    assert.equal(await count({ operation: "unmatched", outcome: "http_404" }), 1);
  });
});
