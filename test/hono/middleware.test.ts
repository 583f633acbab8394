import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { createApp } from "../../src/hono/app.ts";
import type { CreateAppOptions } from "../../src/hono/app-options.ts";
import { bodyLimit } from "../../src/hono/body-limit.ts";
import type { MeshEnv } from "../../src/hono/env.ts";
import { meshMiddleware } from "../../src/hono/middleware.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import { createHealth } from "../../src/serve/health.ts";
import type { ServerOptions } from "../../src/serve/server-options.ts";
import { printedErrors } from "../support/printed-errors.ts";
import { problemOf, serverFixture } from "./fixture.ts";

function existingApp(options: Partial<CreateAppOptions> = {}, server: ServerOptions = {}) {
  const fixture = serverFixture(server);
  const { pipeline, clock, errors } = fixture;
  const app = new Hono<MeshEnv>();
  app.use(meshMiddleware({ pipeline, clock, onError: (error) => errors.push(error), ...options }));
  return { ...fixture, app };
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

  it("leaves errors to the app's own onError, whatever it says", async () => {
    for (const respond of [
      () => new Response("own", { status: 418 }),
      () => new Response("own", { status: 500 }),
      () => new Response(null, { status: 500, headers: { "content-type": "text/plain" } }),
      () => Response.json({ error: "x" }, { status: 500 }),
    ]) {
      const { app, count, errors } = existingApp();
      app.onError(respond);
      app.get("/", () => {
        throw new Error("x");
      });
      const response = await app.request("/");
      assert.equal(response.status, respond().status);
      assert.equal(await response.text(), await respond().text());
      assert.equal(await count({ outcome: `http_${response.status}` }), 1);
      assert.deepEqual(errors, []);
    }
  });

  it("leaves errors to the onError of an app within the app", async () => {
    const { app } = existingApp();
    const sub = new Hono()
      .get("/fails", () => {
        throw new Error("x");
      })
      .onError((_, c) => c.text("sub", 418));
    app.route("/sub", sub);
    assert.equal((await app.request("/sub/fails")).status, 418);
  });

  it("responds to Hono's own exceptions with problems, and leaves those that bring a response", async () => {
    const { app } = existingApp();
    app.get("/gone", () => {
      throw new HTTPException(410, { message: "no more" });
    });
    app.get("/silent", () => {
      throw new HTTPException(404);
    });
    app.get("/brought", () => {
      throw new HTTPException(403, {
        message: "no",
        res: new Response("mine", { headers: { "x-own": "1" } }),
      });
    });
    assert.deepEqual(
      [
        (await problemOf(await app.request("/gone"))).status,
        (await problemOf(await app.request("/silent"))).status,
      ],
      [410, 404],
    );
    const brought = await app.request("/brought");
    assert.deepEqual([await brought.text(), brought.headers.get("x-own")], ["mine", "1"]);
  });

  it("tells the mesh of an error that it responds to", async () => {
    const { app, errors } = existingApp();
    const failure = new Error("secret");
    app.get("/", () => {
      throw failure;
    });
    await printedErrors(async () => {
      assert.equal((await problemOf(await app.request("/"))).status, 500);
    });
    assert.deepEqual(errors, [failure]);
  });

  it("responds to probes and scrapes, past security, limits and metrics", async () => {
    const { metrics } = serverFixture();
    const health = createHealth();
    const { app, count } = existingApp(
      { health, metrics },
      { auth: { validate: staticTokens({ token: "ann" }) }, rateLimit: { perMinute: 1, burst: 1 } },
    );
    app.get("/*", (c) => c.text("a page"));
    for (let times = 0; times < 3; times++) assert.equal((await app.request("/healthz")).status, 200);
    health.setReady(false);
    assert.equal((await app.request("/readyz")).status, 503);
    assert.match(await (await app.request("/metrics")).text(), /mesh_/);
    const head = await app.request("/healthz", { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
    assert.equal(await count(), 0);
    assert.equal((await app.request("/healthz", { method: "POST" })).status, 401);
    assert.equal((await app.request("/elsewhere")).status, 401);
  });

  it("leaves the path of a probe to a route of the app's own", async () => {
    const { app, count } = existingApp({ health: createHealth() });
    app.get("/healthz", (c) => c.text("own"));
    assert.equal(await (await app.request("/healthz")).text(), "own");
    assert.equal(await count({ operation: "GET /healthz" }), 1);
    assert.deepEqual(await (await app.request("/readyz")).json(), { status: "ready", checks: {} });
  });

  it("makes the call the current one for what the handler calls", async () => {
    const seen: string[] = [];
    const { app } = existingApp({
      asyncContext: {
        run(call, task) {
          seen.push(call.operation);
          return task();
        },
      },
    });
    app.get("/:id", (c) => c.text("ok"));
    await app.request("/7");
    assert.deepEqual(seen, ["GET /:id"]);
  });

  it("lets a request pass once, whichever layers an app within the app has", async () => {
    const { app, pipeline, count } = existingApp({}, { rateLimit: { perMinute: 1, burst: 1 } });
    app.use(meshMiddleware({ pipeline }));
    const sub = createApp({ pipeline }).get("/page", (c) => c.text("ok"));
    app.route("/sub", sub);
    assert.equal(await (await app.request("/sub/page")).text(), "ok");
    assert.equal(await count(), 1);
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
