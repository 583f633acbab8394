import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { callOptions } from "../../mod.ts";
import { isMeshError } from "../../src/core/errors.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { ChangingResolver } from "../support/changing-resolver.ts";
import { settle } from "../support/virtual-clock.ts";
import { echoLake } from "./echo-lake.ts";

const at = "http://lake.test";
const ready = { lake: { waitForReady: true } };

describe("a call that waits for an endpoint", () => {
  it("goes out as soon as there is one, by REST and by RPC", async () => {
    const resolver = new ChangingResolver().set();
    const { mesh, lake, clock } = lakeOf(echoLake(), { resolver, policies: ready });
    const rest = lake.get("x").text();
    const rpc = createClient(EchoService, mesh.transport("lake")).echo({ text: "hi" });
    await clock.advance(3_000);
    resolver.set();
    await clock.advance(3_000);
    resolver.set(at);
    assert.equal(await rest, "ok");
    assert.equal((await rpc).text, "hi");
  });

  it("does not wait unless it is told to, and each call may say so itself", async () => {
    const resolver = new ChangingResolver().set();
    const { mesh, lake } = lakeOf(echoLake(), { resolver });
    assert.ok(isMeshError(await errorOf(lake.get("x")), "ERR_NO_ENDPOINTS"));
    const echo = createClient(EchoService, mesh.transport("lake"));
    const waiting = [
      lake.get("x", { waitForReady: true }).text(),
      mesh.fetch("mesh://lake/x", { waitForReady: true }),
      echo.echo({}, callOptions({ waitForReady: true })),
    ];
    await settle();
    resolver.set(at);
    await Promise.all(waiting);
    const patient = lakeOf(echoLake(), { resolver: new ChangingResolver().set(), policies: ready });
    const error = await errorOf(patient.lake.get("x", { waitForReady: false }));
    assert.ok(isMeshError(error, "ERR_NO_ENDPOINTS"));
  });

  it("goes on when the service cannot be resolved for now", async () => {
    const resolver = new ChangingResolver();
    const { lake, clock } = lakeOf(echoLake(), { resolver, policies: ready });
    resolver.lose(new Error("DNS is down"));
    const waiting = lake.get("x").text();
    await settle();
    resolver.lose(new Error("still down"));
    await clock.advance(1_000);
    resolver.set(at);
    assert.equal(await waiting, "ok");
  });

  it("waits until a breaker lets it through", async () => {
    const { lake, clock, requests } = lakeOf(
      (_, number) => (number === 1 ? new Response("no", { status: 503 }) : new Response("ok")),
      { policies: { lake: { retry: false, breaker: { minCalls: 1, openMs: 2_000 }, waitForReady: true } } },
    );
    const start = clock.now();
    await errorOf(lake.get("x"));
    assert.equal(await clock.run(lake.get("x").text()), "ok");
    assert.ok(clock.now() - start >= 1_000, `${clock.now() - start}`);
    assert.equal(requests.length, 2);
  });

  it("ends at its deadline, and at its cancellation, and leaves nothing behind", async () => {
    const { lake, clock } = lakeOf(echoLake(), { resolver: new ChangingResolver().set(), policies: ready });
    const late = await clock.run(errorOf(lake.get("x", { timeoutMs: 700 })));
    assert.ok(isMeshError(late, "ERR_DEADLINE_EXCEEDED"), String(late));
    const controller = new AbortController();
    const left = errorOf(lake.get("x", { signal: controller.signal, timeoutMs: Infinity }));
    await settle();
    controller.abort(new Error("no longer"));
    assert.match(String(await left), /no longer/);
    assert.equal(clock.pending, 0);
  });

  it("does not wait for a service that nobody knows, nor beyond the end of the mesh", async () => {
    const { mesh, lake } = lakeOf(echoLake(), { resolver: new ChangingResolver().set(), policies: ready });
    const unknown = await errorOf(mesh.rest("swamp").get("x", { waitForReady: true }));
    assert.ok(isMeshError(unknown, "ERR_SERVICE_UNKNOWN"));
    const waiting = errorOf(lake.get("x"));
    await settle();
    await mesh.close();
    assert.ok(isMeshError(await waiting, "ERR_SHUTTING_DOWN"));
  });
});
