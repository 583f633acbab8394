import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { isMeshError } from "../../src/core/errors.ts";
import type { MeshEvent } from "../../src/core/events.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { ChangingResolver } from "../support/changing-resolver.ts";
import { metricValue } from "../support/metric-value.ts";
import { settle } from "../support/virtual-clock.ts";
import { echoLake } from "./echo-lake.ts";

const origin = "http://lake.test";

/** A mesh whose service `lake` is not resolved yet. */
function unresolved() {
  const resolver = new ChangingResolver();
  const events: MeshEvent[] = [];
  const made = lakeOf(echoLake(), { resolver, onEvent: (event) => events.push(event) });
  return { ...made, resolver, events, echo: createClient(EchoService, made.mesh.transport("lake")) };
}

describe("the first calls to a service that is being resolved", () => {
  it("wait for it and succeed, by REST and by RPC, with one resolution between them", async () => {
    const { lake, echo, clock, resolver, requests, events } = unresolved();
    const calls = [lake.get("x").text(), lake.get("y").text(), echo.echo({ text: "hi" })] as const;
    await clock.advance(700);
    assert.deepEqual([requests.length, resolver.counts.resolved, resolver.watchers], [0, 1, 1]);
    resolver.set(origin);
    const [x, y, { text }] = await Promise.all(calls);
    assert.deepEqual([x, y, text], ["ok", "ok", "hi"]);
    assert.deepEqual(
      events.filter(({ type }) => type === "resolved"),
      Array.from({ length: 3 }, () => ({ type: "resolved", waitMs: 700 })),
    );
    assert.deepEqual(
      events.filter(({ type }) => type === "endpoint-picked"),
      Array.from({ length: 3 }, () => ({ type: "endpoint-picked", origin, endpoints: 1 })),
    );
    assert.equal(await lake.get("z").text(), "ok");
    assert.equal(resolver.counts.resolved, 1);
  });

  it("end at their deadlines when it is not resolved in time, and leave nothing behind", async () => {
    const { lake, echo, mesh, clock, requests } = unresolved();
    const late = errorOf(echo.echo({}, { timeoutMs: 800 }));
    const error = await clock.run(errorOf(lake.get("x", { timeoutMs: 500 })));
    assert.ok(isMeshError(error, "ERR_DEADLINE_EXCEEDED"), String(error));
    const rpcError = await clock.run(late);
    assert.ok(rpcError instanceof ConnectError && rpcError.code === Code.DeadlineExceeded, String(rpcError));
    await clock.advance(1_000);
    assert.deepEqual([clock.pending, requests.length], [0, 0]);
    const labels = { outcome: "deadline_exceeded" };
    assert.equal(
      await metricValue(mesh.metrics, "mesh_client_requests_total", { ...labels, protocol: "rest" }),
      1,
    );
  });

  it("end when their callers lose interest, and do not hold up the others", async () => {
    const { lake, clock, resolver } = unresolved();
    const controller = new AbortController();
    const cancelled = errorOf(lake.get("x", { signal: controller.signal }));
    const other = lake.get("y").text();
    await settle();
    const reason = new Error("no longer wanted");
    controller.abort(reason);
    assert.equal(await cancelled, reason);
    resolver.set(origin);
    assert.equal(await clock.run(other), "ok");
  });

  it("fail at once with the reason when it cannot be resolved for now, and succeed when it can again", async () => {
    const { lake, echo, resolver } = unresolved();
    const waiting = errorOf(lake.get("x"));
    await settle();
    const why = new Error("no DNS server responds");
    resolver.lose(why);
    const error = await waiting;
    assert.ok(isMeshError(error, "ERR_NO_ENDPOINTS"), String(error));
    assert.equal(error.message, "Cannot call lake: it cannot be resolved now: no DNS server responds");
    assert.equal(error.cause, why);
    const rpcError = await errorOf(echo.echo({}));
    assert.ok(rpcError instanceof ConnectError && rpcError.code === Code.Unavailable, String(rpcError));
    assert.ok(isMeshError(rpcError.cause, "ERR_NO_ENDPOINTS"));
    resolver.lose();
    const again = lake.get("x").text();
    await settle();
    resolver.set(origin);
    assert.equal(await again, "ok");
  });

  it("are refused when it turns out that there is no such service, and the next one asks anew", async () => {
    const { mesh, lake, resolver } = unresolved();
    const waiting = errorOf(lake.get("x"));
    await settle();
    resolver.forget();
    assert.ok(isMeshError(await waiting, "ERR_SERVICE_UNKNOWN"));
    assert.deepEqual([mesh.endpoints(), resolver.watchers, resolver.counts.ended], [[], 0, 1]);
    assert.ok(isMeshError(await errorOf(lake.get("x")), "ERR_SERVICE_UNKNOWN"));
    resolver.set(origin);
    assert.equal(await lake.get("x").text(), "ok");
    assert.equal(resolver.counts.resolved, 2);
  });
});

describe("a service that was resolved", () => {
  it("keeps its last endpoints while resolving fails or has no value", async () => {
    const { lake, resolver, requests } = unresolved();
    resolver.set(origin);
    assert.equal(await lake.get("x").text(), "ok");
    resolver.lose(new Error("the registry is down"));
    assert.equal(await lake.get("x").text(), "ok");
    resolver.lose();
    assert.equal(await lake.get("x").text(), "ok");
    resolver.set("http://other.test");
    await lake.get("x").text();
    assert.equal(requests.at(-1)?.url, "http://other.test/x");
  });

  it("has no endpoints when the resolver says so", async () => {
    const { lake, resolver } = unresolved();
    resolver.set();
    assert.ok(isMeshError(await errorOf(lake.get("x")), "ERR_NO_ENDPOINTS"));
  });
});

describe("a resolver", () => {
  it("is closed with its mesh, what it resolved too, and calls that wait for it fail", async () => {
    const { mesh, lake, resolver } = unresolved();
    const waiting = errorOf(lake.get("x"));
    await settle();
    await mesh.close();
    assert.ok(isMeshError(await waiting, "ERR_SHUTTING_DOWN"));
    assert.deepEqual(resolver.counts, { resolved: 1, ended: 1, closed: 1 });
    assert.equal(resolver.watchers, 0);
    await mesh.close();
    assert.equal(resolver.counts.closed, 1);
  });

  it("is not asked before a call is made", () => {
    const { mesh, resolver } = unresolved();
    mesh.rest("lake");
    mesh.transport("lake");
    assert.equal(resolver.counts.resolved, 0);
  });
});
