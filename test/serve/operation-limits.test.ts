import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSource } from "../../src/core/source.ts";
import { createDispatcher } from "../../src/rpc/server/create-dispatcher.ts";
import { createRequestPipeline } from "../../src/serve/request-pipeline.ts";
import type { ServerOptions } from "../../src/serve/server-options.ts";
import { serverFixture } from "../hono/fixture.ts";
import { echoRoutes } from "../rpc/echo.ts";
import { connectUnary, rawCall, readRaw } from "../rpc/raw.ts";
import { settle, VirtualClock } from "../support/virtual-clock.ts";

const once = { perMinute: 1, burst: 1 };

describe("limits of a single route", () => {
  it("hold for that route alone, and besides do not count towards those of the server", async () => {
    const { app, clock } = serverFixture({
      rateLimit: once,
      timeoutMs: 5_000,
      methods: { "GET /datasets/:name": { rateLimit: { perMinute: 2, burst: 2 }, timeoutMs: 1_000 } },
    });
    const left = (deadline: number): string => String(deadline - clock.now());
    app.get("/datasets/:name", (c) => c.text(left(c.get("call").deadline)));
    app.get("/other", (c) => c.text(left(c.get("call").deadline)));
    const ask = async (path: string): Promise<string> => {
      const response = await app.request(path);
      return response.ok ? response.text() : String(response.status);
    };
    assert.deepEqual(
      [await ask("/datasets/a"), await ask("/datasets/b"), await ask("/datasets/c")],
      ["1000", "1000", "429"],
    );
    assert.deepEqual([await ask("/other"), await ask("/other")], ["5000", "429"]);
  });

  it("leave what they do not name to the server's", async () => {
    const { app, clock } = serverFixture({
      rateLimit: once,
      timeoutMs: 5_000,
      methods: { "GET /a": { maxConcurrent: 1 } },
    });
    app.get("/a", (c) => c.text(String(c.get("call").deadline - clock.now())));
    app.get("/b", (c) => c.text("ok"));
    assert.equal(await (await app.request("/a")).text(), "5000");
    assert.equal((await app.request("/b")).status, 429);
  });

  it("hold besides the server's number of requests at a time", async () => {
    const { app } = serverFixture({
      rateLimit: false,
      maxConcurrent: 2,
      methods: { "GET /held": { maxConcurrent: 1 } },
    });
    const held = Promise.withResolvers<Response>();
    app.get("/held", () => held.promise);
    app.get("/other", () => held.promise);
    const running = [app.request("/held"), app.request("/other")];
    running.push(app.request("/held"), app.request("/other"));
    held.resolve(new Response("ok"));
    const statuses = (await Promise.all(running)).map(({ status }) => status);
    assert.deepEqual(statuses, [200, 200, 503, 503]);
  });

  it("may be none at all", async () => {
    const { app } = serverFixture({ rateLimit: once, methods: { "GET /probe": { rateLimit: false } } });
    app.get("/probe", (c) => c.text("ok"));
    for (let at = 0; at < 3; at++) assert.equal((await app.request("/probe")).status, 200);
  });

  it("keep their memory when other options change", async () => {
    const server = createSource<ServerOptions>({ methods: { "GET /a": { rateLimit: once } } });
    const { app } = serverFixture({ server });
    app.get("/a", (c) => c.text("ok"));
    assert.equal((await app.request("/a")).status, 200);
    server.set({ timeoutMs: 1_000, methods: { "GET /a": { rateLimit: once } } });
    assert.equal((await app.request("/a")).status, 429);
    server.set({ methods: {} });
    assert.equal((await app.request("/a")).status, 200);
  });

  it("are refused when their name can be neither a route nor a method, or an option is unknown", () => {
    const made = (methods: object): (() => void) => {
      return () => serverFixture({ methods: methods as never });
    };
    assert.throws(made({ "get /a": {} }), /methods has "get \/a"; name a route as "GET \/datasets\/:name"/);
    assert.throws(made({ "/a": {} }), TypeError);
    assert.throws(made({ "GET /a": { timeout: 5 } }), /methods\["GET \/a"\].*did you mean "timeoutMs"\?/);
    assert.throws(made({ "GET /a": { timeoutMs: 0 } }), /methods\["GET \/a"\]: timeoutMs is 0/);
    assert.throws(made([]), /methods: its options are an array/);
  });
});

describe("limits of a single RPC method", () => {
  it("are found by its whole name, which goes first, or by its short one", async () => {
    const clock = new VirtualClock();
    const pipeline = createRequestPipeline({
      service: "echo",
      clock,
      server: {
        rateLimit: false,
        methods: { Echo: { rateLimit: { perMinute: 2, burst: 2 } }, Get: { rateLimit: once } },
      },
    });
    const dispatcher = createDispatcher({ pipeline, clock, routes: echoRoutes });
    const codeOf = async (method: string): Promise<string> =>
      (await readRaw(connectUnary, await rawCall(dispatcher, { dialect: connectUnary, method }))).code;
    assert.deepEqual([await codeOf("Get"), await codeOf("Get")], ["ok", "resource_exhausted"]);
    assert.deepEqual(
      [await codeOf("Echo"), await codeOf("Echo"), await codeOf("Echo")],
      ["ok", "ok", "resource_exhausted"],
    );
    assert.equal(await codeOf("Put"), "ok");
  });
});

describe("clientKey", () => {
  it("must not be a promise, whatever becomes of it", async () => {
    const { app, errors } = serverFixture({
      rateLimit: { perMinute: 1 },
      clientKey: (async () => {
        throw new Error("the table of tenants is gone");
      }) as never,
    });
    app.get("/", (c) => c.text("ok"));
    assert.equal((await app.request("/")).status, 500);
    await settle();
    assert.match(String(errors), /Cannot limit GET \/: clientKey returned a promise; return the key at once/);
  });

  it("says whose allowance a request is taken from; undefined leaves it to the address", async () => {
    const { app } = serverFixture({
      rateLimit: once,
      clientKey: (_, { headers }) => headers.get("x-tenant") ?? undefined,
    });
    app.get("/", (c) => c.text("ok"));
    const statusOf = async (tenant?: string): Promise<number> =>
      (await app.request("/", { headers: tenant === undefined ? {} : { "x-tenant": tenant } })).status;
    assert.deepEqual([await statusOf("a"), await statusOf("a"), await statusOf("b")], [200, 429, 200]);
    assert.deepEqual([await statusOf(), await statusOf()], [200, 429]);
  });

  it("must be a function, and one that throws fails its request alone", async () => {
    assert.throws(() => serverFixture({ clientKey: "x-tenant" as never }), /clientKey is "x-tenant"/);
    const { app, errors } = serverFixture({
      rateLimit: once,
      clientKey: (_, { headers }) => {
        if (headers.get("x-bad") !== null) throw new Error("no tenant");
        return "all";
      },
    });
    app.get("/", (c) => c.text("ok"));
    assert.equal((await app.request("/", { headers: { "x-bad": "1" } })).status, 500);
    assert.equal(errors.length, 1);
    assert.equal((await app.request("/")).status, 200);
  });
});
