import assert from "node:assert/strict";
import process from "node:process";
import { after, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createMesh, staticResolver } from "../../../mod.ts";
import type { Mesh, Server } from "../../../src/mesh/options.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { metricValue } from "../../support/metric-value.ts";
import { all, echoRoutes } from "../echo.ts";
import { until } from "../socket-fixture.ts";

/** Calls of the run that is measured; `MESH_LEAK_CALLS` makes it another number. */
const calls = Number(process.env.MESH_LEAK_CALLS ?? 100_000);
/** Less than anything that one call keeps alive. */
const allowedBytesPerCall = 50;
const concurrency = 50;
/** Longer than Bun's HTTP server keeps a connection without a request. */
const runtimeLimitMs = 14_000;

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

/** What the process holds: the heap, and what lies outside of it. */
async function memoryAfter(collect: () => void): Promise<number> {
  // What finalizers let go is collected in the next round.
  for (let round = 0; round < 3; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The server looks at the connection now and then: for what takes too long, and for silence. */
const timersOfConnection = 3;

/** Timers that are neither over nor cleared, of those that were set since {@link watchTimers}. */
const timers = new Set<unknown>();

/** Has every timer counted; no two runtimes tell in the same way how many there are. */
function watchTimers(): () => void {
  const { setTimeout, clearTimeout } = globalThis;
  globalThis.setTimeout = ((run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run(...args);
    }, ms);
    timers.add(timer);
    return timer;
  }) as typeof setTimeout;
  globalThis.clearTimeout = ((timer: ReturnType<typeof setTimeout>) => {
    timers.delete(timer);
    clearTimeout(timer);
  }) as typeof clearTimeout;
  return () => Object.assign(globalThis, { setTimeout, clearTimeout });
}

/** A signal that never fires, and how many listen to it. */
class SharedSignal {
  readonly signal: AbortSignal = new AbortController().signal;
  readonly listeners = new Set<unknown>();

  constructor() {
    const { signal, listeners } = this;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (type: string, listener: never, options?: object) => {
      listeners.add(listener);
      add(type, listener, options);
    };
    signal.removeEventListener = (type: string, listener: never, options?: object) => {
      listeners.delete(listener);
      remove(type, listener, options);
    };
  }
}

async function* endless(): AsyncGenerator<{ text: string }> {
  yield { text: "first" };
  await new Promise(() => {});
}

async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    return error instanceof ConnectError ? Code[error.code] : String(error);
  }
}

/** Calls that end in every way there is. */
function someCall(client: Client<typeof EchoService>, index: number, shared: AbortSignal): Promise<unknown> {
  switch (index % 10) {
    case 0:
      return client.echo({ text: "no", fail: Code.FailedPrecondition });
    case 1: {
      const stop = new AbortController();
      const response = client.echo({ text: "stopped" }, { signal: stop.signal });
      if (index % 20 === 1) stop.abort();
      else setImmediate(() => stop.abort());
      return response;
    }
    case 2:
      return all(client.expand({ text: "many", count: 3 }));
    case 3:
      // Its deadline ends it: it would go on for good.
      return all(client.chat(endless(), { timeoutMs: 5 }));
    case 4:
      return client.echo({ text: "yes" }, { signal: shared });
    case 5:
      return all(client.expand({ text: "many", count: 3 }, { signal: shared }));
    default:
      return client.echo({ text: "yes" }, { timeoutMs: 60_000 });
  }
}

/** How often each kind of call ended in which way, as `kind outcome`. */
async function runCalls(
  client: Client<typeof EchoService>,
  count: number,
  shared: AbortSignal,
): Promise<Map<string, number>> {
  const outcomes = new Map<string, number>();
  let index = 0;
  const worker = async (): Promise<void> => {
    while (index < count) {
      const kind = index % 10;
      const outcome = `${kind} ${await outcomeOf(someCall(client, index++, shared))}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return outcomes;
}

/** Asserts that every call ended as it had to. */
function assertOutcomes(outcomes: ReadonlyMap<string, number>, count: number): void {
  const each = count / 10;
  const rest = new Map(outcomes);
  // Half of those that are stopped have already been sent, and may be responded to in time.
  const late = rest.get("1 ok") ?? 0;
  rest.delete("1 ok");
  assert.ok(late <= each / 2, `${late} of ${each} stopped calls were responded to`);
  const expected = ["FailedPrecondition", "Canceled", "ok", "DeadlineExceeded", ...Array(6).fill("ok")];
  assert.deepEqual(
    Object.fromEntries([...rest].sort()),
    Object.fromEntries(expected.map((how, kind) => [`${kind} ${how}`, kind === 1 ? each - late : each])),
  );
}

async function openMeshes(): Promise<{ served: Mesh; server: Server; mesh: Mesh; endpoint: string }> {
  const served = createMesh({ service: "echo", server: { rateLimit: false } });
  const server = await served.serve({ routes: echoRoutes, hostname: "127.0.0.1", port: 0 });
  const endpoint = `http://127.0.0.1:${server.port}`;
  const mesh = createMesh({
    service: "caller",
    resolver: staticResolver({ echo: [endpoint] }),
    policies: { echo: { breaker: false } },
  });
  closers.push(() => mesh.close());
  closers.push(() => server.close({ force: true }));
  return { served, server, mesh, endpoint };
}

describe("a mesh after many gRPC calls", () => {
  it(`has kept nothing of ${calls} of them, however they ended`, {
    timeout: 30_000 + calls * 5,
  }, async () => {
    const openedAt = performance.now();
    const { served, server, mesh, endpoint } = await openMeshes();
    const client = createClient(EchoService, mesh.transport("echo", { protocol: "grpc" }));
    const collect = collector();
    const shared = new SharedSignal();
    const quiet = async (): Promise<number> => {
      await until(() => server.inFlight === 0);
      const open = () => metricValue(mesh.metrics, "mesh_rpc_streams", { endpoint });
      await until(async () => (await open()) === 0, "no stream to be left open");
      return collect === undefined ? 0 : memoryAfter(collect);
    };
    await runCalls(client, 2_000, shared.signal);
    const before = await quiet();
    closers.push(async () => restoreTimers());
    const restoreTimers = watchTimers();
    assertOutcomes(await runCalls(client, calls, shared.signal), calls);
    const grown = (await quiet()) - before;
    // A process that stands still for 250 ms doubts its connection for as long, and may open a second one meanwhile.
    const sessions = (await metricValue(mesh.metrics, "mesh_rpc_sessions", { endpoint })) ?? 0;
    assert.ok(sessions === 1 || sessions === 2, `${sessions} sessions`);
    // Those of the wheel and of refusals may be due and still wait for their turn. One that a call left behind stays
    // longer than is waited for: the calls have a minute.
    await until(
      () => timers.size <= timersOfConnection * sessions,
      `no more than ${timersOfConnection} timers to be left for each connection`,
    );
    assert.equal(shared.listeners.size, 0, "listeners that are left");
    assert.ok(grown < calls * allowedBytesPerCall, `${grown} bytes more than before`);
    // The connection has carried it all, and outlives what a runtime gives to a silent one; no virtual clock rules that.
    const left = Math.max(openedAt + runtimeLimitMs - performance.now(), 0);
    await new Promise((resolve) => setTimeout(resolve, left));
    assert.equal(await metricValue(mesh.metrics, "mesh_rpc_sessions", { endpoint }), sessions);
    assert.equal((await client.echo({ text: "still" })).text, "still");
    assert.equal(await metricValue(mesh.metrics, "mesh_client_retries_total"), undefined);
    assert.equal(await metricValue(mesh.metrics, "mesh_client_in_flight"), 0);
    assert.equal(await metricValue(served.metrics, "mesh_server_in_flight"), 0);
    assert.equal(await metricValue(mesh.metrics, "mesh_rpc_waiting", { endpoint }), 0);
    await mesh.close();
    assert.equal(await metricValue(mesh.metrics, "mesh_rpc_sessions", { endpoint }), undefined);
  });
});
