import assert from "node:assert/strict";
import { request } from "node:http";
import { afterEach, describe, it } from "node:test";
import { createMesh } from "../../../src/mesh/mesh.ts";
import type { Server } from "../../../src/mesh/options.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";

describe("overrideGlobalObjects", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** Serves an echo that makes a new request of the one that came, as middleware does. */
  async function serve(overrideGlobalObjects: boolean): Promise<Server> {
    const mesh = createMesh({ service: "shop", server: { rateLimit: false } });
    cleanup.add(() => mesh.close({ force: true }));
    const app = mesh.app();
    app.post("/echo", async (c) => {
      const copy = new Request(c.req.raw, { headers: { "x-copied": "yes" } });
      return c.json({ text: await copy.text(), copied: copy.headers.get("x-copied") });
    });
    app.get("/hello", (c) => c.text("hello"));
    return await mesh.serve({ app, hostname: "127.0.0.1", port: 0, overrideGlobalObjects });
  }

  async function echo({ url }: Server): Promise<unknown> {
    const response = await fetch(`${url}/echo`, { method: "POST", body: "hello" });
    return response.json();
  }

  // First, while nothing has been replaced.
  it("leaves the global objects alone when it is false, and serves the same", async () => {
    const before = { Response, Request };
    const server = await serve(false);
    assert.equal(globalThis.Response, before.Response);
    assert.equal(globalThis.Request, before.Request);
    assert.deepEqual(await echo(server), { text: "hello", copied: "yes" });
  });

  it("serves a GET with a body, which the platform's Request cannot hold", async () => {
    const server = await serve(false);
    const status = await new Promise((resolve, reject) => {
      const sent = request(`${server.url}/hello`, { method: "GET", headers: { "content-length": "3" } });
      sent.on("error", reject).on("response", (response) => {
        response.resume().on("end", () => resolve(response.statusCode));
      });
      sent.end("abc");
    });
    assert.equal(status, 200);
  });

  it("replaces them by default, and they stay themselves", async () => {
    const server = await serve(true);
    assert.ok(new Response("a") instanceof Response);
    assert.deepEqual(await echo(server), { text: "hello", copied: "yes" });
    assert.deepEqual(await echo(await serve(false)), { text: "hello", copied: "yes" });
  });
});
