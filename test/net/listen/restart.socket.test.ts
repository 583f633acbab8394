import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { staticResolver } from "../../../src/discovery/static-resolver.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import type { Server } from "../../../src/mesh/options.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";

const restarts = 4;
const workers = 16;

describe("a service that is restarted under load", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** Serves POSTs, which nobody may repeat unless they provably never started. */
  async function start(port: number, seen: Map<string, number>): Promise<Server> {
    const mesh = createMesh({ service: "lake", server: { rateLimit: false } });
    const app = mesh.app();
    app.post("/orders/:id", async (c) => {
      const { id } = await c.req.json<{ id: string }>();
      seen.set(id, (seen.get(id) ?? 0) + 1);
      return c.json({ id });
    });
    return mesh.serve({ app, hostname: "127.0.0.1", port });
  }

  it("loses no POST of clients that keep their connections, and runs none twice", {
    timeout: 60_000,
  }, async () => {
    const seen = new Map<string, number>();
    const servers = [await start(0, seen), await start(0, seen)];
    const ports = servers.map(({ port }) => port);
    cleanup.add(() => Promise.all(servers.map((server) => server.close({ force: true }))));
    const client = createMesh({
      service: "gateway",
      resolver: staticResolver({ lake: ports.map((port) => `http://127.0.0.1:${port}`) }),
    });
    cleanup.add(() => client.close());
    const lake = client.rest("lake");
    let stopped = false;
    let sent = 0;
    const failures: unknown[] = [];
    const work = Array.from({ length: workers }, async () => {
      while (!stopped) {
        const id = String(sent++);
        await lake
          .post(`orders/${id}`, { json: { id } })
          .json()
          .catch((error) => failures.push(error));
      }
    });
    for (let restart = 0; restart < restarts; restart++) {
      const which = restart % 2;
      const target = sent + 500;
      while (sent < target) await new Promise((resolve) => setImmediate(resolve));
      await servers[which]!.close();
      servers[which] = await start(ports[which]!, seen);
    }
    stopped = true;
    await Promise.all(work);
    assert.deepEqual(failures, []);
    assert.equal(seen.size, sent);
    assert.deepEqual(
      [...seen].filter(([, times]) => times > 1),
      [],
    );
  });
});
