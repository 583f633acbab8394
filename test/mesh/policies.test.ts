import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { isMeshError } from "../../src/core/errors.ts";
import { createSource } from "../../src/core/source.ts";
import type { ClientPolicy } from "../../src/mesh/client-policy.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { errorOf, lakeOf } from "../rest/lake.ts";
import { settle } from "../support/virtual-clock.ts";

type Policies = Readonly<Record<string, ClientPolicy>>;

const failing = (): Response => new Response("no", { status: 503 });
const silent = (): Promise<Response> => new Promise(() => {});

describe("policies that change while the mesh runs", () => {
  it("hold for the next call of clients that are there, by REST and by RPC", async () => {
    const policies = createSource<Policies>({ "*": { timeoutMs: 10_000 } });
    const { mesh, lake, clock } = lakeOf(silent, { policies });
    const echo = createClient(EchoService, mesh.transport("lake"));
    policies.set({ lake: { timeoutMs: 50 } });
    const start = clock.now();
    assert.ok(isMeshError(await clock.run(errorOf(lake.get("x"))), "ERR_DEADLINE_EXCEEDED"));
    const error = await clock.run(errorOf(echo.echo({})));
    assert.ok(error instanceof ConnectError && error.code === Code.DeadlineExceeded, String(error));
    assert.ok(clock.now() - start < 200, `${clock.now() - start} ms`);
  });

  it("leave calls that are under way alone", async () => {
    const policies = createSource<Policies>({ lake: { maxConcurrent: 1 } });
    const hanging = Promise.withResolvers<Response>();
    const { lake } = lakeOf((_, number) => (number === 1 ? hanging.promise : new Response("ok")), {
      policies,
    });
    const first = lake.get("x").text();
    await settle();
    assert.ok(isMeshError(await errorOf(lake.get("x")), "ERR_BULKHEAD_FULL"));
    policies.set({ lake: { maxConcurrent: 2 } });
    assert.equal(await lake.get("x").text(), "ok");
    hanging.resolve(new Response("first"));
    assert.equal(await first, "first");
  });

  it("keep the breakers that they do not change, and replace those that they do", async () => {
    const breaker = { minCalls: 1 };
    const policies = createSource<Policies>({ lake: { retry: false, breaker } });
    const { mesh, lake } = lakeOf(failing, { policies });
    const state = (): string | undefined => mesh.endpoints()[0]?.breakerState;
    await errorOf(lake.get("x"));
    assert.equal(state(), "open");
    policies.set({ lake: { timeoutMs: 1_000, retry: false, breaker: { ...breaker } } });
    assert.ok(isMeshError(await errorOf(lake.get("x")), "ERR_BREAKER_OPEN"));
    policies.set({ lake: { retry: false, breaker: { minCalls: 100 } } });
    assert.equal(state(), "closed");
    assert.ok(!isMeshError(await errorOf(lake.get("x")), "ERR_BREAKER_OPEN"));
    policies.set({ lake: { retry: false, breaker: false } });
    assert.equal(state(), undefined);
  });

  it("are refused as a whole when one of them is no good: the old ones stay, and onError is told", async () => {
    const policies = createSource<Policies>({ lake: { timeoutMs: 100 } });
    const errors: unknown[] = [];
    const { lake, clock } = lakeOf(silent, { policies, onError: (error) => errors.push(error) });
    policies.set({ lake: { timeoutMs: 9_000 }, stream: { breaker: { openMs: -1 } } });
    assert.match(String(errors), /openMs is -1/);
    const start = clock.now();
    await clock.run(errorOf(lake.get("x")));
    assert.ok(clock.now() - start < 200);
    assert.equal(errors.length, 1);
  });

  it("are no longer watched when the mesh is closed", async () => {
    const policies = createSource<Policies>({});
    const { mesh } = lakeOf(silent, { policies, onError: () => assert.fail("it is closed") });
    await mesh.close();
    policies.set({ lake: { timeoutMs: -1 } });
  });
});

describe("policies", () => {
  it("are checked whole when the mesh is made", () => {
    for (const [policy, message] of [
      [{ timeoutMs: 0 }, /policies\["lake"\] of createMesh\(\): timeoutMs is 0/],
      [{ priority: 10_000 }, /priority is 10000; pass an integer from 0 to 9999/],
      [{ maxConcurrent: 0.5 }, /maxConcurrent is 0.5/],
      [{ breaker: { failureRate: 2 } }, /failureRate is 2/],
      [{ retry: { maxAttempts: 9 } }, /maxAttempts is 9/],
      [{ retry: { budget: { ratio: -1 } } }, /ratio is -1/],
    ] as const) {
      assert.throws(() => createMesh({ service: "a", policies: { lake: policy } }), message);
    }
  });
});
