import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runtime } from "#runtime";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh } from "../../src/mesh/options.ts";
import { createWebRuntime } from "../../src/runtime/web/mod.ts";
import { unless } from "../support/capability.ts";

/** A gateway that asks the lake on behalf of a request that has an id, and what the lake is told then. */
async function toldBy(ask: Ask, options: { readonly parent?: null } = {}): Promise<Headers> {
  const told: Headers[] = [];
  const mesh = createMesh({
    service: "gateway",
    runtime: {
      ...createWebRuntime({
        fetch: async (url, init) => {
          told.push(new Request(url, init).headers);
          return new Response("ok");
        },
      }),
      asyncContext: runtime.asyncContext,
    },
    resolver: staticResolver({ lake: ["http://lake.test"] }),
  });
  const app = mesh.app();
  app.get("/", async (c) => {
    await ask(mesh, options);
    return c.text("done");
  });
  const headers = { "x-request-id": "request-7", "mesh-timeout-ms": "250" };
  assert.equal((await app.request("/", { headers })).status, 200);
  return told[0] as Headers;
}

type Ask = (mesh: Mesh, options: { readonly parent?: null }) => Promise<unknown>;

const ways: Readonly<Record<string, Ask>> = {
  "mesh.rest()": (mesh, options) => mesh.rest("lake").get("x", options).text(),
  "mesh.fetch()": async (mesh, options) => (await mesh.fetch("mesh://lake/x", options)).text(),
};

for (const [name, ask] of Object.entries(ways)) {
  describe(`A call in a handler by ${name}`, unless("asyncContext"), () => {
    it("is made on behalf of the request that is served", async () => {
      const headers = await toldBy(ask);
      assert.equal(headers.get("x-request-id"), "request-7");
      assert.ok(Number(headers.get("mesh-timeout-ms")) <= 250);
    });

    it("inherits nothing with parent: null", async () => {
      const headers = await toldBy(ask, { parent: null });
      assert.notEqual(headers.get("x-request-id"), "request-7");
      assert.ok(Number(headers.get("mesh-timeout-ms")) > 250);
    });
  });
}
