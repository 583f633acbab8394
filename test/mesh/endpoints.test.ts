import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConnectError, createClient } from "@connectrpc/connect";
import { isMeshError } from "../../src/core/errors.ts";
import type { Mesh } from "../../src/mesh/options.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { ChangingResolver } from "../support/changing-resolver.ts";
import { metricValue } from "../support/metric-value.ts";
import { settle } from "../support/virtual-clock.ts";
import { echoLake } from "./echo-lake.ts";

const rpc = (mesh: Mesh) => createClient(EchoService, mesh.transport("lake"));

/** The error of the mesh behind an RPC's. */
async function causeOf(promise: Promise<unknown>): Promise<unknown> {
  const error = await errorOf(promise);
  assert.ok(error instanceof ConnectError, String(error));
  return error.cause;
}

describe("an endpoint that is called by REST and by RPC", () => {
  it("has one breaker: what REST calls find out holds for RPCs, and the other way round", async () => {
    const policies = { lake: { retry: false, breaker: { minCalls: 2 } } } as const;
    const { mesh, lake, requests } = lakeOf(() => new Response("", { status: 503 }), { policies });
    await errorOf(lake.get("x"));
    await errorOf(rpc(mesh).echo({}));
    assert.equal(requests.length, 2);
    assert.ok(isMeshError(await errorOf(lake.get("x")), "ERR_BREAKER_OPEN"));
    assert.ok(isMeshError(await causeOf(rpc(mesh).echo({})), "ERR_BREAKER_OPEN"));
    assert.equal(requests.length, 2);
    assert.equal(await metricValue(mesh.metrics, "mesh_breaker_state", { service: "lake" }), 2);
  });

  it("has one bound of concurrent calls", async () => {
    const policies = { lake: { retry: false, maxConcurrent: 1 } } as const;
    const hanging = Promise.withResolvers<Response>();
    const { mesh, lake } = lakeOf(() => hanging.promise, { policies });
    const first = lake.get("x").text();
    await settle();
    assert.ok(isMeshError(await causeOf(rpc(mesh).echo({})), "ERR_BULKHEAD_FULL"));
    hanging.resolve(new Response("ok"));
    assert.equal(await first, "ok");
  });

  it("has one retry budget", async () => {
    const budget = { ratio: 0, minPerSecond: 0.1 };
    const policies = { lake: { retry: { budget, maxAttempts: 2 } } } as const;
    const { mesh, lake, clock, requests } = lakeOf(() => new Response("", { status: 503 }), { policies });
    await clock.run(errorOf(lake.get("x")));
    assert.equal(requests.length, 2);
    await clock.run(errorOf(rpc(mesh).get({})));
    assert.equal(requests.length, 3);
  });

  it("counts both as in flight, and takes both for its latency", async () => {
    const serve = echoLake();
    const pending: PromiseWithResolvers<void>[] = [];
    const { mesh, lake, clock } = lakeOf(async (request) => {
      const wait = Promise.withResolvers<void>();
      pending.push(wait);
      await wait.promise;
      return serve(request);
    });
    const calls = [lake.get("x").text(), rpc(mesh).echo({ text: "hi" })];
    await clock.advance(40);
    assert.equal(mesh.endpoints()[0]?.inFlight, 2);
    for (const wait of pending) wait.resolve();
    await Promise.all(calls);
    assert.deepEqual(
      mesh.endpoints().map(({ inFlight, latencyMs }) => [inFlight, latencyMs]),
      [[0, 40]],
    );
  });
});

describe("mesh.endpoints()", () => {
  it("shows the endpoints of the services that were called, with what is known of them", async () => {
    const resolver = new ChangingResolver().set({ origin: "http://lake.test", zone: "b", weight: 2 });
    const policies = { lake: { retry: false, breaker: { minCalls: 1 } } } as const;
    const { mesh, lake } = lakeOf(() => new Response("no", { status: 500 }), { resolver, policies });
    assert.deepEqual(mesh.endpoints(), []);
    await errorOf(lake.get("x"));
    const [{ latencyMs, ...endpoint }] = mesh.endpoints() as [ReturnType<Mesh["endpoints"]>[0]];
    assert.ok(latencyMs > 0);
    assert.deepEqual(endpoint, {
      service: "lake",
      origin: "http://lake.test",
      zone: "b",
      weight: 2,
      inFlight: 0,
      breakerState: "open",
      available: false,
      connections: undefined,
    });
    resolver.forget();
    assert.deepEqual(mesh.endpoints(), []);
  });

  it("shows origins that were called without a resolver, the last 256 of them", async () => {
    const { mesh } = lakeOf(() => new Response("ok"));
    for (let port = 1; port <= 300; port++) await mesh.fetch(`http://127.0.0.1:${port}/`);
    const endpoints = mesh.endpoints();
    assert.equal(endpoints.length, 256);
    assert.deepEqual(
      [endpoints[0]?.service, endpoints.at(-1)?.origin],
      ["127.0.0.1:45", "http://127.0.0.1:300"],
    );
  });
});
