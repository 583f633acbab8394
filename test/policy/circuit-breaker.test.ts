import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError, MeshError } from "../../src/core/errors.ts";
import { ok, outcome } from "../../src/core/outcome.ts";
import { compose, protect } from "../../src/core/service.ts";
import { createBreaker } from "../../src/policy/breaker.ts";
import { circuitBreaker } from "../../src/policy/circuit-breaker.ts";
import { retry } from "../../src/policy/retry.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { newCall, type Scripted, ScriptedError, scriptedService, streams, succeeds } from "./scenario.ts";

function setUp(...steps: Parameters<typeof scriptedService> extends [unknown, ...infer S] ? S : never) {
  const clock = new VirtualClock();
  const breaker = createBreaker({ clock, random: () => 0, minCalls: 2 });
  const layer = circuitBreaker({ breaker });
  return { clock, breaker, layer, ...scriptedService(layer, ...steps) };
}

describe("circuitBreaker()", () => {
  it("passes everything through while closed", async () => {
    const fault = new ScriptedError("boom");
    const { run } = setUp(succeeds, fault);
    assert.equal(await run(), succeeds);
    await assert.rejects(run(), (error) => error === fault);
  });

  it("refuses with ERR_BREAKER_OPEN and the time to wait, without calling", async () => {
    const { run, calls, clock } = setUp(new ScriptedError("down"));
    await assert.rejects(run());
    await assert.rejects(run());
    await clock.advance(1_000);
    await assert.rejects(run(), {
      code: "ERR_BREAKER_OPEN",
      message: "Cannot call lake read: its circuit breaker is open after unavailable; try again in 4000 ms",
      retryAfterMs: 4_000,
    });
    assert.equal(calls.length, 2);
  });

  it("recovers through probes", async () => {
    const { run, clock, breaker } = setUp(new ScriptedError("1"), new ScriptedError("2"), succeeds);
    await assert.rejects(run());
    await assert.rejects(run());
    await clock.advance(5_000);
    for (let probe = 0; probe < 3; probe++) assert.equal(await run(), succeeds);
    assert.equal(breaker.state, "closed");
  });

  it("counts a response that its transport states as a failure", async () => {
    const bad: Scripted = { outcome: outcome("retryable", "http_503"), name: "503" };
    const { run, breaker } = setUp(bad);
    assert.equal(await run(), bad);
    await run();
    assert.equal(breaker.state, "open");
  });

  it("counts a stream when it ends", async () => {
    const { run, calls, breaker } = setUp(streams);
    await run();
    await run();
    assert.equal(breaker.snapshot().calls, 0);
    calls[0]?.end(ok);
    assert.equal(breaker.snapshot().calls, 1);
    calls[1]?.end(outcome("retryable", "reset"));
    assert.equal(breaker.state, "open");
  });

  it("counts a call that its caller cancelled as neither", async () => {
    const { run, breaker } = setUp((call) => {
      call.cancel();
      throw new ScriptedError("aborted");
    });
    await assert.rejects(run());
    assert.equal(breaker.snapshot().calls, 0);
  });

  it("considers what was left of the deadline when the call came", async () => {
    const { run, breaker, clock } = setUp((call) => {
      call.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "late"));
      throw call.reason;
    });
    await assert.rejects(run(newCall({ deadline: clock.now() + 10 })));
    assert.equal(breaker.snapshot().calls, 0);
    await assert.rejects(run(newCall({ deadline: clock.now() + 1_000 })));
    assert.equal(breaker.snapshot().failures, 1);
  });

  it("is not knocked at by a retry once it is open", async () => {
    const clock = new VirtualClock();
    const layer = compose(retry({ clock }), circuitBreaker({ clock, minCalls: 2 }));
    let turns = 0;
    const run = protect(layer, () => {
      turns++;
      throw new Error("down");
    });
    await assert.rejects(clock.run(run(undefined)), { message: "down" });
    assert.equal(turns, 2);
    await assert.rejects(clock.run(run(undefined)), (error) => isMeshError(error, "ERR_BREAKER_OPEN"));
    assert.equal(turns, 2);
  });

  it("keeps a state of its own for each layer", async () => {
    const clock = new VirtualClock();
    const down = protect(circuitBreaker({ clock, minCalls: 1 }), () => Promise.reject(new Error("down")));
    const up = protect(circuitBreaker({ clock, minCalls: 1 }), () => "up");
    await assert.rejects(down(undefined));
    await assert.rejects(down(undefined), (error) => isMeshError(error, "ERR_BREAKER_OPEN"));
    assert.equal(await up(undefined), "up");
  });

  it("refuses options that are out of range", () => {
    assert.throws(() => circuitBreaker({ failureRate: -0.5 }), {
      name: "RangeError",
      message: /failureRate is -0.5/,
    });
  });
});
