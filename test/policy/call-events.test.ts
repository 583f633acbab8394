import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call } from "../../src/core/call.ts";
import { TransportError } from "../../src/core/errors.ts";
import type { CallEvent } from "../../src/core/events.ts";
import { outcome } from "../../src/core/outcome.ts";
import { protect } from "../../src/core/service.ts";
import { bulkhead } from "../../src/policy/bulkhead.ts";
import { circuitBreaker } from "../../src/policy/circuit-breaker.ts";
import { rateLimit } from "../../src/policy/rate-limiter.ts";
import type { RetryOptions } from "../../src/policy/retry.ts";
import { timeout } from "../../src/policy/timeout.ts";
import { printedErrors } from "../support/printed-errors.ts";
import { settle, VirtualClock } from "../support/virtual-clock.ts";
import { retryScenario } from "./retry-scenario.ts";
import { newCall, ScriptedError, type Step, scriptedService, streams, succeeds } from "./scenario.ts";

/** A call that keeps what is noted about it. */
function observed(init: Parameters<typeof newCall>[0] = {}) {
  const events: CallEvent[] = [];
  return { events, call: newCall({ ...init, onEvent: (event) => events.push(event) }) };
}

/** Why the retry of a call that always fails was declined. */
async function reasonFor(
  options: RetryOptions,
  step: Step,
  init: Parameters<typeof observed>[0] = {},
): Promise<readonly unknown[]> {
  const { events, call } = observed(init);
  await assert.rejects(retryScenario(options, step).run(call));
  return events.flatMap((event) => (event.type === "retry-declined" ? [event.reason] : []));
}

const pushed = (pushbackMs: number): ScriptedError =>
  new ScriptedError("later", outcome("retryable", "unavailable", { pushbackMs }));

describe("what retry() notes about a call", () => {
  it("notes each retry with the outcome of the attempt before and the wait", async () => {
    const { events, call } = observed();
    const first = new ScriptedError("1");
    await retryScenario({}, first, new ScriptedError("2"), succeeds).run(call);
    assert.deepEqual(events, [
      { type: "retry", attempt: 1, outcome: first.outcome, waitMs: 100 },
      { type: "retry", attempt: 2, outcome: first.outcome, waitMs: 200 },
    ]);
  });

  it("notes why no other attempt follows", async () => {
    const down = new ScriptedError("down");
    assert.deepEqual(await reasonFor({}, down), ["attempts"]);
    assert.deepEqual(await reasonFor({ budget: { ratio: 0, minPerSecond: 0 } }, down), ["budget"]);
    assert.deepEqual(await reasonFor({}, down, { deadline: 1_050 }), ["deadline"]);
    assert.deepEqual(await reasonFor({}, down, { idempotency: "unknown" }), ["not-idempotent"]);
    assert.deepEqual(await reasonFor({ replayable: () => false }, down), ["not-replayable"]);
    assert.deepEqual(await reasonFor({}, pushed(Infinity)), ["pushback"]);
  });

  it("declines what never started for the bounds of the call, not for its idempotency", async () => {
    const refused = new TransportError("refused", "refused");
    assert.deepEqual(await reasonFor({}, refused, { idempotency: "unknown" }), ["attempts"]);
  });

  it("notes nothing where another attempt could not help, or none is needed", async () => {
    assert.deepEqual(await reasonFor({}, new ScriptedError("no", outcome("failure", "internal"))), []);
    assert.deepEqual(await reasonFor({}, new ScriptedError("left", outcome("cancelled", "cancelled"))), []);
    const { events, call } = observed();
    await retryScenario({}, succeeds).run(call);
    assert.deepEqual(events, []);
  });
});

describe("what limits and deadlines note about a call", () => {
  it("notes a refusal with the error that the caller gets", async () => {
    const clock = new VirtualClock();
    const layers = [
      bulkhead({ maxConcurrent: 1, maxQueued: 0, clock }),
      circuitBreaker({ minCalls: 1, clock }),
      rateLimit({ burst: 1, perMinute: 1, clock }),
    ];
    const firsts: readonly Step[] = [streams, new ScriptedError("down"), succeeds];
    for (const [index, layer] of layers.entries()) {
      const { run } = scriptedService(layer, firsts[index] as Step);
      await run().catch(() => {});
      const { events, call } = observed();
      const error = await run(call).then(
        () => assert.fail("expected a refusal"),
        (refusal: unknown) => refusal,
      );
      assert.deepEqual(events, [{ type: "refused", error }]);
    }
  });

  it("notes a deadline that passes, once, and one that had passed before the call came", async () => {
    const clock = new VirtualClock();
    const { run } = scriptedService(timeout({ clock, timeoutMs: 100 }), () => new Promise(() => {}));
    const waiting = observed();
    await assert.rejects(clock.run(run(waiting.call)));
    const late = observed({ deadline: clock.now() });
    await assert.rejects(run(late.call));
    for (const { events } of [waiting, late]) assert.deepEqual(events, [{ type: "deadline-exceeded" }]);
  });

  it("notes on the fork what concerns one attempt, and its listener gets that call", async () => {
    const seen: [string, number][] = [];
    const run = protect(timeout({ timeoutMs: 100 }), (_: undefined, call) => {
      call.fork(2).note?.({ type: "resolved", waitMs: 1 });
    });
    const parent = new Call({
      side: "server",
      protocol: "local",
      service: "gateway",
      operation: "x",
      onEvent: (event, call) => seen.push([event.type, call.attempt]),
    });
    await run(undefined, { parent });
    assert.deepEqual(seen, [["resolved", 2]]);
  });
});

describe("a listener of events that fails", () => {
  it("keeps no call from going on, at once or later", async () => {
    for (const onEvent of [
      () => {
        throw new Error("cannot listen");
      },
      () => Promise.reject(new Error("cannot listen")),
    ]) {
      const printed = await printedErrors(async () => {
        await retryScenario({}, new ScriptedError("1"), succeeds).run(newCall({ onEvent }));
        await settle();
      });
      assert.match(printed.join("\n"), /A listener of a call failed/);
    }
  });
});
