import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EndpointBreakerChange } from "../../src/balance/endpoint-registry.ts";
import { MeshError } from "../../src/core/errors.ts";
import { outcome } from "../../src/core/outcome.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { newCall, ScriptedError, type Step, streams, succeeds } from "../policy/scenario.ts";
import { a, b, balancedScenario as setUp } from "./balanced-scenario.ts";

describe("balanced() and breakers", () => {
  const down: Step = (call) => {
    if (call.endpoint?.origin === a) throw new ScriptedError("down");
    return succeeds;
  };

  it("keeps a breaker for each endpoint and passes those by that are open", async () => {
    const changes: EndpointBreakerChange[] = [];
    const { run, calls, layer, clock } = setUp(
      { breaker: { minCalls: 1 }, onBreakerChange: (change) => changes.push(change) },
      down,
    );
    let errors = 0;
    for (let turn = 0; turn < 50; turn++) await run().catch(() => errors++);
    assert.equal(errors, 1);
    assert.equal(calls.filter((call) => call.endpoint?.origin === a).length, 1);
    assert.deepEqual(changes, [{ service: "lake", origin: a, to: "open", from: "closed" }]);
    assert.deepEqual(
      layer
        .endpoints()
        .map(({ service, origin, inFlight, breakerState }) => [service, origin, inFlight, breakerState]),
      [
        ["lake", a, 0, "open"],
        ["lake", b, 0, "closed"],
      ],
    );
    await clock.advance(5_000);
    assert.equal(layer.endpoints()[0]?.breakerState, "half-open");
  });

  it("refuses with ERR_BREAKER_OPEN when all of them are open, and says when the first opens up", async () => {
    const { run, calls, clock } = setUp({ breaker: { minCalls: 1, jitter: 0 } }, new ScriptedError("down"));
    await assert.rejects(run(), /down/);
    await clock.advance(1_000);
    await assert.rejects(run(), /down/);
    await assert.rejects(run(), {
      code: "ERR_BREAKER_OPEN",
      message: `Cannot call lake: the breakers of all 2 endpoints are open (${a} after unavailable, ${b} after unavailable); try again in 4000 ms`,
      retryAfterMs: 4_000,
    });
    assert.equal(calls.length, 2);
    const single = setUp(
      { breaker: { minCalls: 1, jitter: 0 }, resolver: staticResolver({ lake: [a] }) },
      new ScriptedError("down", outcome("retryable", "transport_refused")),
    );
    await assert.rejects(single.run(), /down/);
    await assert.rejects(single.run(), {
      message: `Cannot call lake: the breaker of its endpoint is open (${a} after transport_refused); try again in 5000 ms`,
    });
  });

  it("recovers through probes", async () => {
    const { run, clock, layer } = setUp(
      { breaker: { minCalls: 1 }, resolver: staticResolver({ lake: [a] }) },
      new ScriptedError("down"),
      succeeds,
    );
    await assert.rejects(run());
    await clock.advance(5_000);
    for (let probe = 0; probe < 3; probe++) await run();
    assert.equal(layer.endpoints()[0]?.breakerState, "closed");
  });

  it("judges a stream by its end", async () => {
    const { run, calls, layer } = setUp(
      { breaker: { minCalls: 1 }, resolver: staticResolver({ lake: [a] }) },
      streams,
    );
    await run();
    assert.equal(layer.endpoints()[0]?.breakerState, "closed");
    calls[0]?.end(outcome("retryable", "unavailable"));
    assert.equal(layer.endpoints()[0]?.breakerState, "open");
  });

  it("does not blame an endpoint for a deadline that was nearly spent when the call came", async () => {
    const { run, clock, layer } = setUp(
      { breaker: { minCalls: 1 }, resolver: staticResolver({ lake: [a] }) },
      (call) => {
        call.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "late"));
        throw call.reason;
      },
    );
    await assert.rejects(run(newCall({ deadline: clock.now() + 5 })));
    assert.equal(layer.endpoints()[0]?.breakerState, "closed");
    await assert.rejects(run(newCall({ deadline: clock.now() + 500 })));
    assert.equal(layer.endpoints()[0]?.breakerState, "open");
  });

  it("does without them when told so", async () => {
    const { run, calls, layer } = setUp({ breaker: false }, new ScriptedError("down"));
    for (let turn = 0; turn < 50; turn++) await assert.rejects(run(), /down/);
    assert.equal(calls.length, 50);
    assert.equal(layer.endpoints()[0]?.breakerState, undefined);
  });
});
