import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { runtime } from "#runtime";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { MeshOptions, ServeOptions, Server } from "../../src/mesh/options.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { within } from "../net/listen/listener-fixture.ts";
import { Cleanup } from "../rpc/client/grpc-checks.ts";
import { unless } from "../support/capability.ts";

const paths = ["/healthz", "/readyz", "/metrics"];

describe("The admin port", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function serve(
    options: Partial<ServeOptions> = {},
    meshOptions: Partial<MeshOptions> = {},
  ): Promise<Server> {
    const mesh = createMesh({ service: "shop", ...meshOptions });
    cleanup.add(() => mesh.close({ force: true }));
    const app = mesh.app();
    app.get("/hello", (c) => c.text("hello"));
    return await mesh.serve({ app, hostname: "127.0.0.1", port: 0, ...options });
  }

  async function statuses(base: string): Promise<readonly number[]> {
    const all: number[] = [];
    for (const path of [...paths, "/hello"]) {
      const response = await fetch(`${base}${path}`);
      await response.body?.cancel();
      all.push(response.status);
    }
    return all;
  }

  it("has the probes and the metrics, and the public port has the probes alone", async () => {
    const server = await serve({ admin: { port: 0 } });
    assert.notEqual(server.admin!.port, server.port);
    assert.deepEqual(await statuses(server.url), [200, 200, 404, 200]);
    assert.deepEqual(await statuses(server.admin!.url), [200, 200, 200, 404]);
    const text = await (await fetch(`${server.admin!.url}/metrics`)).text();
    assert.match(text, /mesh_server_requests_total\{operation="GET \/hello"/);
  });

  it("tells of metrics that cannot be collected, of which its callers learn nothing", async () => {
    const told: unknown[] = [];
    const metrics = Object.assign(createMetrics(), {
      exposition: () => Promise.reject(new Error("a collector is broken")),
    });
    const server = await serve(
      { admin: { port: 0 } },
      { metrics, onError: (error) => told.push(String(error)) },
    );
    assert.deepEqual(await statuses(server.admin!.url), [200, 200, 500, 404]);
    assert.deepEqual(told, ["Error: a collector is broken"]);
  });

  it("is there only when it is asked for", async () => {
    const server = await serve();
    assert.equal(server.admin, undefined);
    assert.deepEqual(await statuses(server.url), [200, 200, 404, 200]);
  });

  it("wants no token and knows no limit", async () => {
    const auth = { validate: staticTokens({ token: "ann" }) };
    const rateLimit = { perMinute: 1, burst: 1 };
    const server = await serve({ admin: { port: 0 } }, { server: { auth, rateLimit } });
    for (let round = 0; round < 3; round++)
      assert.deepEqual(await statuses(server.admin!.url), [200, 200, 200, 404]);
  });

  it("says that the server drains until the server is closed", async () => {
    const server = await serve({ admin: { port: 0 }, drain: { delayMs: 60_000 } });
    const closing = server.close();
    assert.deepEqual(await statuses(server.admin!.url), [200, 503, 200, 404]);
    await within(server.close({ force: true }), "the end of the server");
    await closing;
    await assert.rejects(fetch(server.admin!.url));
  });

  it("that cannot be opened leaves nothing open", async () => {
    const first = await serve({ admin: { port: 0 } });
    const ports: number[] = [];
    const watched: Partial<MeshOptions> = {
      runtime: {
        ...runtime,
        async listen(options) {
          const listener = await runtime.listen(options);
          ports.push(listener.ports.rest);
          return listener;
        },
      },
    };
    await assert.rejects(serve({ admin: { port: first.admin!.port } }, watched));
    assert.equal(ports.length, 1);
    await assert.rejects(fetch(`http://127.0.0.1:${ports[0]}/hello`));
  });

  it("keeps its TLS apart from the server's", async () => {
    await assert.rejects(serve({ admin: { port: 0, tls: true } }), /the mesh has no identity/);
    await assert.rejects(
      serve({ admin: { port: 0, clientAuth: "request" } }),
      /admin\.clientAuth is "request" without TLS; set admin\.tls to true/,
    );
  });
});
