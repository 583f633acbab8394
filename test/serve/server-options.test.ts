import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSource } from "../../src/core/source.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import type { ServerOptions } from "../../src/serve/server-options.ts";
import { serverFixture } from "../hono/fixture.ts";

const once = { perMinute: 1, burst: 1 };

describe("a server's options that change while it runs", () => {
  it("hold from the next request on", async () => {
    const server = createSource<ServerOptions>({ rateLimit: false, maxConcurrent: 1 });
    const { app, clock } = serverFixture({ server });
    const held = Promise.withResolvers<Response>();
    app.get("/held", () => held.promise);
    app.get("/", (c) => c.text(String(c.get("call").deadline - clock.now())));
    const running = app.request("/held");
    assert.equal((await app.request("/")).status, 503);
    server.set({ rateLimit: false, maxConcurrent: 2, timeoutMs: 700 });
    assert.equal(await (await app.request("/")).text(), "700");
    server.set({ rateLimit: false, auth: { validate: staticTokens({ t: "ann" }) } });
    assert.equal((await app.request("/")).status, 401);
    held.resolve(new Response("ok"));
    assert.equal((await running).status, 200);
  });

  it("leave a limit its memory that says the same as before", async () => {
    const server = createSource<ServerOptions>({ rateLimit: once });
    const { app } = serverFixture({ server });
    app.get("/", (c) => c.text("ok"));
    assert.equal((await app.request("/")).status, 200);
    server.set({ rateLimit: { ...once }, timeoutMs: 1_000 });
    assert.equal((await app.request("/")).status, 429);
    server.set({ rateLimit: { ...once, burst: 2 } });
    assert.equal((await app.request("/")).status, 200);
  });

  it("stay as they are when new ones make no sense, and onError is told why", async () => {
    const told: unknown[] = [];
    const server = createSource<ServerOptions>({ rateLimit: once });
    const mesh = createMesh({ service: "lake", server, onError: (error) => told.push(error) });
    const app = mesh.app();
    app.get("/", (c) => c.text("ok"));
    server.set({ rateLimit: false, timeoutMs: -1 });
    assert.match(String(told[0]), /timeoutMs is -1/);
    assert.equal((await app.request("/")).status, 200);
    assert.equal((await app.request("/")).status, 429);
    server.set({ rateLimit: false });
    assert.equal((await app.request("/")).status, 200);
    assert.equal(told.length, 1);
    await mesh.close();
  });

  it("must make sense at first", () => {
    const server = createSource<ServerOptions>({ maxConcurrent: 0 });
    assert.throws(() => createMesh({ service: "lake", server }), RangeError);
    assert.throws(
      () => createMesh({ service: "lake", layers: { servers: {} } as never }),
      /layers has no "servers"/,
    );
  });
});
