import assert from "node:assert/strict";
import process from "node:process";
import { after, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Client, createClient } from "@connectrpc/connect";
import { createMesh, staticDiscovery } from "../../mod.ts";
import type { Mesh, Server } from "../../src/options.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { echoRoutes } from "../rpc/echo.ts";
import { metricValue } from "../support/metric-value.ts";
import { until } from "./rpc-fixture.ts";

/** Calls of the run that is measured; `MESH_LEAK_CALLS` makes it another number. */
const calls = Number(process.env.MESH_LEAK_CALLS ?? 100_000);
/** Less than anything that one call keeps alive. */
const allowedBytesPerCall = 50;
const concurrency = 50;

const closers: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const close of closers) await close();
});

function collector(): (() => void) | undefined {
  if ("Bun" in globalThis) {
    const { Bun } = globalThis as unknown as { Bun: { gc(sync: boolean): void } };
    return () => Bun.gc(true);
  }
  try {
    setFlagsFromString("--expose_gc");
    return runInNewContext("gc") as () => void;
  } catch {
    return undefined;
  }
}

async function heapAfter(collect: () => void): Promise<number> {
  // What finalizers let go is collected in the next round.
  for (let round = 0; round < 3; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}

async function* endless(): AsyncGenerator<{ text: string }> {
  yield { text: "first" };
  await new Promise(() => {});
}

/** Calls that end in every way there is. */
async function someCall(client: Client<typeof EchoService>, index: number): Promise<void> {
  switch (index % 10) {
    case 0:
      await client.echo({ text: "no", fail: 9 }).catch(() => {});
      return;
    case 1: {
      const stop = new AbortController();
      const answer = client.echo({ text: "stopped" }, { signal: stop.signal });
      if (index % 20 === 1) stop.abort();
      else setImmediate(() => stop.abort());
      await answer.catch(() => {});
      return;
    }
    case 2:
      for await (const _ of client.expand({ text: "many", count: 3 }));
      return;
    case 3:
      // Its deadline ends it: it would go on for good.
      for await (const _ of client.chat(endless(), { timeoutMs: 5 }));
      return;
    default:
      await client.echo({ text: "yes" }, { timeoutMs: 60_000 });
  }
}

async function runCalls(client: Client<typeof EchoService>, count: number): Promise<void> {
  let index = 0;
  const worker = async (): Promise<void> => {
    while (index < count) await someCall(client, index++).catch(() => {});
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

async function openMeshes(): Promise<{ served: Mesh; server: Server; mesh: Mesh; endpoint: string }> {
  const served = createMesh({ service: "echo", server: { rateLimit: false } });
  const server = await served.serve({ routes: echoRoutes, hostname: "127.0.0.1", port: 0 });
  const endpoint = `http://127.0.0.1:${server.port}`;
  const mesh = createMesh({
    service: "caller",
    discovery: staticDiscovery({ echo: [endpoint] }),
    policies: { echo: { breaker: false } },
  });
  closers.push(() => mesh.close());
  closers.push(() => server.close({ force: true }));
  return { served, server, mesh, endpoint };
}

const timers = (): number =>
  "Deno" in globalThis || "Bun" in globalThis
    ? 0
    : process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

describe("a mesh after many gRPC calls", () => {
  it(`has kept nothing of ${calls} of them, however they ended`, {
    timeout: 30_000 + calls * 5,
  }, async () => {
    const { served, server, mesh, endpoint } = await openMeshes();
    const client = createClient(EchoService, mesh.transport("echo", { protocol: "grpc" }));
    const collect = collector();
    const quiet = async (): Promise<number> => {
      await until(() => server.inFlight === 0);
      for (let turn = 0; ; turn++) {
        const open = await metricValue(mesh.metrics, "mesh_rpc_streams", { endpoint });
        if (open === 0) break;
        assert.ok(turn < 5_000, `${open} streams are left open`);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      return collect === undefined ? 0 : heapAfter(collect);
    };
    await runCalls(client, 2_000);
    const heap = await quiet();
    const timersBefore = timers();
    await runCalls(client, calls);
    const grown = (await quiet()) - heap;
    assert.ok(grown < calls * allowedBytesPerCall, `the heap has grown by ${grown} bytes`);
    assert.ok(timers() <= timersBefore + 1, `${timers()} timers, ${timersBefore} before`);
    assert.equal(await metricValue(mesh.metrics, "mesh_client_in_flight"), 0);
    assert.equal(await metricValue(served.metrics, "mesh_server_in_flight"), 0);
    assert.equal(await metricValue(mesh.metrics, "mesh_rpc_waiting", { endpoint }), 0);
    assert.equal(await metricValue(mesh.metrics, "mesh_rpc_sessions", { endpoint }), 1);
    await mesh.close();
    assert.equal(await metricValue(mesh.metrics, "mesh_rpc_sessions", { endpoint }), undefined);
  });
});
