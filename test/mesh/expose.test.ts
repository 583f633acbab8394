import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Hono } from "hono";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh } from "../../src/mesh/options.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";

const paths = ["/healthz", "/readyz", "/metrics"];
const headers = { authorization: "Bearer t" };
type Serve = (request: Request) => Response | Promise<Response>;

/** The ways to an app with the server's layers; the last one cannot be told what to expose. */
const ways: Readonly<Record<string, (mesh: Mesh, expose?: object) => Serve>> = {
  "mesh.app()": (mesh, expose) => mesh.app(expose === undefined ? {} : { expose }).fetch,
  "mesh.middleware()": (mesh, expose) => {
    const app = new Hono();
    app.use(mesh.middleware(expose === undefined ? {} : { expose }));
    return app.fetch;
  },
  "mesh.handler()": (mesh) => mesh.handler({ app: new Hono() }).fetch,
};

function meshOf(): Mesh {
  const auth = { validate: staticTokens({ t: "ann" }), required: false };
  return createMesh({ service: "shop", server: { auth, rateLimit: false } });
}

async function statuses(serve: Serve, init?: RequestInit): Promise<readonly number[]> {
  const responses = await Promise.all(paths.map((path) => serve(new Request(`http://shop${path}`, init))));
  return responses.map(({ status }) => status);
}

describe("What an app exposes", () => {
  for (const [name, make] of Object.entries(ways)) {
    it(`is the probes and no metrics, unless it is told: ${name}`, async () => {
      assert.deepEqual(await statuses(make(meshOf())), [200, 200, 404]);
    });
  }

  for (const name of ["mesh.app()", "mesh.middleware()"]) {
    const make = ways[name]!;

    it(`is shown to authenticated callers only, if it is told so: ${name}`, async () => {
      const mesh = meshOf();
      const serve = make(mesh, { probes: "authenticated", metrics: "authenticated" });
      assert.deepEqual(await statuses(serve), [401, 401, 401]);
      assert.deepEqual(await statuses(serve, { headers }), [200, 200, 200]);
      // Such requests have passed the layers, and count.
      assert.match(
        await mesh.metrics.exposition(),
        /mesh_server_requests_total\{[^}]*outcome="unauthenticated"/,
      );
    });

    it(`is nothing at all, or everything, if it is told so: ${name}`, async () => {
      const nothing = { probes: false, metrics: false };
      assert.deepEqual(await statuses(make(meshOf(), nothing)), [404, 404, 404]);
      assert.deepEqual(await statuses(make(meshOf(), { metrics: true })), [200, 200, 200]);
    });

    it(`is no more than the default where an option is undefined: ${name}`, async () => {
      const unsaid = { probes: undefined, metrics: undefined };
      assert.deepEqual(await statuses(make(meshOf(), unsaid)), [200, 200, 404]);
    });
  }
});
