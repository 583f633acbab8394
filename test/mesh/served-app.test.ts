import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh, MeshOptions } from "../../src/mesh/options.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import type { ServerOptions } from "../../src/serve/server-options.ts";
import { metricValue } from "../support/metric-value.ts";
import { printedErrors } from "../support/printed-errors.ts";

interface Shop {
  Bindings: { readonly database: string };
  Variables: { tenant: string };
}

const asAnn = { headers: { authorization: "Bearer token" } };
const withTokens: ServerOptions = { rateLimit: false, auth: { validate: staticTokens({ token: "ann" }) } };

function meshWith(server: ServerOptions = { rateLimit: false }, more: Partial<MeshOptions> = {}) {
  const mesh = createMesh({ service: "shop", server, ...more });
  return {
    mesh,
    count: async (labels: Record<string, string> = {}) =>
      (await metricValue(mesh.metrics, "mesh_server_requests_total", labels)) ?? 0,
  };
}

/** Asks an app through the fetch handler that the mesh makes of it. */
function asker(mesh: Mesh, app: Parameters<Mesh["handler"]>[0]["app"]) {
  const handler = mesh.handler({ ...(app && { app }) });
  return (path: string, init?: RequestInit, env?: object, context?: object) =>
    handler.fetch(new Request(`https://shop.test${path}`, init), env, context);
}

/** An app as it was before there was a mesh. */
function existingApp(): Hono<Shop> {
  const app = new Hono<Shop>();
  app.use(async (c, next) => {
    c.set("tenant", "blue");
    await next();
  });
  app.get("/items/:id", (c) => c.text(`${c.req.param("id")} of ${c.get("tenant")} in ${c.env.database}`));
  app.post("/items", async (c) => c.json(await c.req.json()));
  return app;
}

describe("An app of Hono's that is served by a mesh without its middleware", () => {
  it("does not take a body that grows too large for a fault of its own", async () => {
    const { mesh, count } = meshWith();
    const piece = new Uint8Array(300_000);
    const body = new ReadableStream({ pull: (controller) => controller.enqueue(piece) });
    await printedErrors(async () => {
      const init = { method: "POST", body, duplex: "half" } as RequestInit;
      assert.equal((await asker(mesh, existingApp())("/items", init)).status, 413);
    });
    assert.equal(await count({ operation: "POST /items", outcome: "body_too_large" }), 1);
  });

  it("is behind security all the same, and keeps its bindings and variables", async () => {
    const { mesh, count } = meshWith(withTokens);
    const ask = asker(mesh, existingApp());
    assert.equal((await ask("/items/7")).status, 401);
    const response = await ask("/items/7", asAnn, { database: "lake" });
    assert.equal(await response.text(), "7 of blue in lake");
    assert.ok(response.headers.has("x-request-id"));
    assert.equal(await count({ operation: "GET /items/:id", outcome: "ok" }), 1);
    assert.equal(await count({ operation: "GET /items/:id", outcome: "unauthenticated" }), 1);
  });

  it("is behind security as well when the layers that it has are those of another mesh", async () => {
    const open = createMesh({ service: "open" });
    const { mesh, count } = meshWith(withTokens);
    const beside = new Hono().use(open.middleware());
    const both = new Hono().use(open.middleware()).use(mesh.middleware());
    const within = open.app().route(
      "/",
      mesh.app().get("/x", (c) => c.text("ok")),
    );
    for (const app of [beside, both]) app.get("/x", (c) => c.text("ok"));
    const asked = [open.app().get("/x", (c) => c.text("ok")), beside].map((app) => asker(mesh, app));
    asked.push(async (path, init) => both.request(path, init), asker(open, within));
    for (const ask of asked) {
      assert.equal((await ask("/x")).status, 401);
      assert.equal(await (await ask("/x", asAnn)).text(), "ok");
    }
    assert.equal(await count({ operation: "GET /x", outcome: "ok" }), asked.length);
  });

  it("has the limits of bodies and rates, CORS, and probes that pass them by", async () => {
    const { mesh } = meshWith({
      rateLimit: { perMinute: 2, burst: 2 },
      cors: { origins: ["https://app.example"] },
    });
    const ask = asker(mesh, existingApp());
    const post = (body: string) => ({
      method: "POST",
      body,
      headers: { "content-type": "application/json", origin: "https://app.example" },
    });
    const response = await ask("/items", post('{"a":1}'));
    assert.deepEqual(await response.json(), { a: 1 });
    assert.equal(response.headers.get("access-control-allow-origin"), "https://app.example");
    const large = await ask("/items", {
      ...post(""),
      body: "x".repeat(2_000_000),
      headers: { "content-length": "2000000" },
    });
    assert.equal(large.status, 413);
    assert.equal((await ask("/items/7")).status, 429);
    assert.equal((await ask("/readyz")).status, 200);
    const head = await ask("/healthz", { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
  });

  it("responds to its own errors and to paths that it does not know", async () => {
    const { mesh, count } = meshWith();
    const app = existingApp();
    app.get("/fails", () => {
      throw new Error("secret");
    });
    const ask = asker(mesh, app);
    await printedErrors(async () => {
      const failed = await ask("/fails");
      assert.deepEqual([failed.status, await failed.text()], [500, "Internal Server Error"]);
    });
    app.onError((_, c) => c.text("own", 418));
    app.notFound((c) => c.text("nothing here", 404));
    assert.equal((await ask("/fails")).status, 418);
    assert.equal(await (await ask("/nowhere")).text(), "nothing here");
    assert.equal(await count({ operation: "unmatched", outcome: "http_404" }), 1);
  });

  it("is given the platform's context, and its handlers make calls on behalf of the request", async () => {
    const { mesh } = meshWith();
    const waited: unknown[] = [];
    const app = new Hono().get("/", (c) => {
      c.executionCtx.waitUntil(Promise.resolve());
      return c.text(mesh.current()?.operation ?? "no call");
    });
    const context = { waitUntil: (promise: unknown) => waited.push(promise), passThroughOnException() {} };
    const response = await asker(mesh, app)("/", {}, {}, context);
    assert.equal(await response.text(), mesh.runtime.asyncContext === undefined ? "no call" : "GET /");
    assert.equal(waited.length, 1);
  });

  it("passes the layers once where it has them already", async () => {
    for (const layered of [
      (mesh: Mesh) => mesh.app(),
      (mesh: Mesh) => new Hono().use(mesh.middleware()),
      (mesh: Mesh) => new Hono().route("/", new Hono().use("/items/*", mesh.middleware())),
    ]) {
      const { mesh, count } = meshWith({ rateLimit: { perMinute: 1, burst: 1 } });
      const app = new Hono().route("/", layered(mesh) as Hono);
      app.get("/items/:id", (c) => c.text("ok"));
      assert.equal((await asker(mesh, app)("/items/7")).status, 200);
      assert.equal(await count(), 1);
    }
  });

  it("may be anything with a fetch", async () => {
    const { mesh, count } = meshWith(withTokens);
    const ask = asker(mesh, { fetch: async (request) => new Response(new URL(request.url).pathname) });
    assert.equal((await ask("/a")).status, 401);
    assert.equal(await (await ask("/a", asAnn)).text(), "/a");
    assert.equal(await count({ operation: "unmatched", outcome: "ok" }), 1);
  });

  it("is responded to for when it returns no response, or fails", async () => {
    for (const fetch of [
      () => undefined,
      () => Promise.resolve("text"),
      () => Promise.reject(new Error("secret")),
      // biome-ignore lint/suspicious/noThenProperty: what an app returns need not be a promise of the platform's
      () => ({ then: (resolve: (value: unknown) => void) => resolve({}) }),
      () => {
        throw undefined;
      },
    ]) {
      const { mesh } = meshWith({ rateLimit: false }, { onError() {} });
      const response = await asker(mesh, { fetch: fetch as never })("/");
      assert.equal(response.status, 500);
      assert.ok(!(await response.text()).includes("secret"));
    }
  });

  it("is refused when it is no app", () => {
    const { mesh } = meshWith();
    for (const app of [() => {}, {}, null, "app"]) {
      assert.throws(
        () => mesh.handler({ app: app as never }),
        /Cannot make a handler: app is no app; pass one of Hono's, or an object with a fetch\(request\)/,
      );
    }
  });
});

describe("The types of an app", () => {
  const { mesh } = meshWith();

  it("are the user's beside the mesh's own in mesh.app()", async () => {
    const app = mesh.app<Shop>();
    app.get("/", (c) => {
      c.set("tenant", "blue");
      const tenant: string = c.get("tenant");
      const requestId: string = c.get("call").requestId;
      const database: string = c.env.database;
      const address: string | undefined = c.env.connection?.remoteAddress;
      // @ts-expect-error there is no such variable
      const missing: unknown = c.get("misspelt");
      // @ts-expect-error a tenant is a text
      const number: number = c.get("tenant");
      return c.json([tenant, requestId !== "", database, address ?? "unknown", missing ?? "missing", number]);
    });
    const response = await app.request("/", {}, { database: "lake" });
    assert.deepEqual(await response.json(), ["blue", true, "lake", "unknown", "missing", "blue"]);
    void (() => mesh.serve({ app }));
  });

  it("are the mesh's own without others", async () => {
    const app = mesh.app();
    app.get("/", (c) => {
      // @ts-expect-error there is no such variable
      c.get("tenant");
      return c.text(c.get("call").operation);
    });
    assert.equal(await (await app.request("/")).text(), "GET /");
  });

  it("are the app's own with mesh.middleware(), and learn of the call from it", async () => {
    const app = new Hono<Shop>().use(mesh.middleware()).get("/", (c) => {
      c.set("tenant", "blue");
      return c.text(`${c.get("tenant")} ${c.get("call").operation}`);
    });
    assert.equal(await (await app.request("/")).text(), "blue GET /");
  });

  it("do not matter to serve() and handler()", () => {
    const apps = [new Hono(), new Hono<Shop>(), mesh.app<Shop>(), new Hono<Shop>().basePath("/v1")] as const;
    for (const app of apps) assert.equal(typeof mesh.handler({ app }).fetch, "function");
    void (() => apps.map((app) => mesh.serve({ app })));
    // @ts-expect-error an app has a fetch
    assert.throws(() => mesh.handler({ app: { handle: () => new Response() } }));
  });
});
