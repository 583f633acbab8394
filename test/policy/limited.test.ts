import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError, MeshError } from "../../src/core/errors.ts";
import { type Outcome, ok } from "../../src/core/outcome.ts";
import type { Limiter, Permit } from "../../src/core/permit.ts";
import { compose } from "../../src/core/service.ts";
import { createBulkhead } from "../../src/policy/bulkhead.ts";
import { circuitBreaker } from "../../src/policy/circuit-breaker.ts";
import { limited } from "../../src/policy/limited.ts";
import { rateLimit } from "../../src/policy/rate-limiter.ts";
import { timeout } from "../../src/policy/timeout.ts";
import { tokenBucket } from "../../src/policy/token-bucket.ts";
import { attemptMetrics, clientMetrics } from "../../src/telemetry/layers.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { settle, VirtualClock } from "../support/virtual-clock.ts";
import { newCall, ScriptedError, scriptedService, streams, succeeds } from "./scenario.ts";

/** A limiter that grants what it is given, and keeps what comes back. */
function granting(permit: Permit | Promise<Permit>) {
  const released: [Permit, Outcome, number][] = [];
  const limiter: Limiter = {
    acquire: () => permit,
    release: (given, outcome, remainingMs) => released.push([given, outcome, remainingMs]),
    refusal: () => new MeshError("ERR_BULKHEAD_FULL", "full"),
  };
  return { limiter, released };
}

describe("limited()", () => {
  it("hands the permit back with the outcome and what was left of the deadline, once", async () => {
    const clock = new VirtualClock();
    const { limiter, released } = granting(7);
    const { run, calls } = scriptedService(limited(limiter, { clock }), succeeds);
    await run(newCall({ deadline: clock.now() + 250 }));
    calls[0]?.end(ok);
    assert.deepEqual(released, [[7, ok, 250]]);
  });

  it("holds the permit until a stream ends", async () => {
    const { limiter, released } = granting(1);
    const { run, calls } = scriptedService(limited(limiter), streams);
    await run();
    assert.deepEqual(released, []);
    calls[0]?.end(ok);
    assert.equal(released.length, 1);
  });

  it("hands nothing back for a refusal", async () => {
    const { limiter, released } = granting(0);
    const { run, calls } = scriptedService(limited(limiter), succeeds);
    await assert.rejects(run(), (error) => isMeshError(error, "ERR_BULKHEAD_FULL"));
    assert.deepEqual([calls.length, released.length], [0, 0]);
  });

  it("hands the permit back when the call ends while it waits for its turn, and does not send it", async () => {
    const turn = Promise.withResolvers<Permit>();
    const { limiter, released } = granting(turn.promise);
    const { run, calls } = scriptedService(limited(limiter), succeeds);
    const call = newCall();
    const waiting = run(call);
    turn.resolve(1);
    call.cancel();
    await assert.rejects(waiting, (error) => isMeshError(error, "ERR_CANCELLED"));
    assert.deepEqual([calls.length, released.length], [0, 1]);
    assert.equal(released[0]?.[1].kind, "cancelled");
  });

  it("leaves no place taken by a call that was cancelled when its turn had just come", async () => {
    const state = createBulkhead({ maxConcurrent: 1 });
    const { run, calls } = scriptedService(limited(state), streams, succeeds);
    await run();
    const call = newCall();
    const waiting = run(call);
    calls[0]?.end(ok);
    call.cancel();
    await assert.rejects(waiting, (error) => isMeshError(error, "ERR_CANCELLED"));
    assert.deepEqual([state.running, state.queued], [0, 0]);
    assert.equal(await run(), succeeds);
  });

  it("throws at once on a server, and rejects on a client", async () => {
    const { limiter } = granting(0);
    const service = limited(limiter)<undefined, string>(() => "response");
    const refused = { code: "ERR_BULKHEAD_FULL" };
    assert.throws(() => service(newCall({ side: "server" }), undefined), refused);
    await assert.rejects(service(newCall(), undefined) as Promise<string>, refused);
  });

  it("asks for no permit back where the limiter takes none", async () => {
    const limiter: Limiter = { acquire: () => 1, refusal: () => new MeshError("ERR_RATE_LIMITED", "full") };
    assert.equal(await scriptedService(limited(limiter), succeeds).run(), succeeds);
  });
});

describe("layers that wait for nothing", () => {
  it("respond at once when everything beneath does", async () => {
    const clock = new VirtualClock();
    const metrics = createMetrics();
    const layer = compose(
      clientMetrics({ metrics, clock }),
      timeout({ clock }),
      limited(createBulkhead(), { clock }),
      circuitBreaker({ clock }),
      rateLimit({ clock }),
      tokenBucket({ clock }),
      attemptMetrics({ metrics }),
    );
    const service = layer<undefined, string>((call) => {
      call.end(ok);
      return "response";
    });
    assert.equal(service(newCall(), undefined), "response");
    await settle();
    assert.equal(clock.pending, 0);
  });

  it("throw at once what is thrown at once", () => {
    const fault = new ScriptedError("boom");
    const layer = compose(timeout(), limited(createBulkhead()), rateLimit());
    const service = layer<undefined, string>(() => {
      throw fault;
    });
    assert.throws(
      () => service(newCall({ side: "server" }), undefined),
      (error) => error === fault,
    );
  });
});
