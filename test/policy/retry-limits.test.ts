import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { triedOrigins } from "../../src/core/call.ts";
import { isMeshError, TransportError } from "../../src/core/errors.ts";
import { ok, outcome } from "../../src/core/outcome.ts";
import { type RetryOptions, retry } from "../../src/policy/retry.ts";
import { retryBudget } from "../../src/policy/retry-budget.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { retryScenario as scenario } from "./retry-scenario.ts";
import {
  newCall,
  type Scripted,
  ScriptedError,
  type Step,
  scriptedService,
  streams,
  succeeds,
} from "./scenario.ts";

const unavailable = outcome("retryable", "unavailable");

describe("retry() and time", () => {
  it("gives up at once with the error at hand when the wait would reach the deadline", async () => {
    const { run, clock, times } = scenario({}, new ScriptedError("first"), succeeds);
    const start = clock.now();
    await assert.rejects(run(newCall({ deadline: start + 100 })), /first/);
    assert.deepEqual(times, [0]);
    assert.equal(clock.now(), start);
  });

  it("tries again when the wait ends before the deadline", async () => {
    const { run, clock, times } = scenario({}, new ScriptedError("first"), succeeds);
    await run(newCall({ deadline: clock.now() + 101 }));
    assert.deepEqual(times, [0, 100]);
  });

  it("does not try again once the deadline has passed, even without a wait", async () => {
    const clock = new VirtualClock();
    const late = retry({ clock, random: () => 0 });
    const { run, calls } = scriptedService(late, async () => {
      await clock.sleep(100);
      throw new ScriptedError("slow");
    });
    await assert.rejects(clock.run(run(newCall({ deadline: clock.now() + 100 }))), /slow/);
    assert.equal(calls.length, 1);
  });

  it("stops waiting when the caller cancels, and leaves no timer", async () => {
    const clock = new VirtualClock();
    const { run, calls } = scriptedService(retry({ clock }), new ScriptedError("1"));
    const call = newCall();
    const running = run(call);
    await clock.advance(0);
    assert.equal(clock.pending, 1);
    call.cancel();
    await assert.rejects(running, (error) => isMeshError(error, "ERR_CANCELLED"));
    assert.equal(clock.pending, 0);
    assert.equal(calls.length, 1);
    assert.equal(call.cancelled, true);
  });

  it("does not repeat an attempt that failed because the caller cancelled", async () => {
    const call = newCall();
    const { run, calls } = scenario({}, () => {
      call.cancel();
      throw new ScriptedError("aborted");
    });
    await assert.rejects(run(call), /aborted/);
    assert.equal(calls.length, 1);
  });
});

describe("retry() and the budget", () => {
  it("gives up when the budget is spent, and surfaces the error", async () => {
    const { run, calls } = scenario({ budget: { ratio: 0, minPerSecond: 0.1 } }, new ScriptedError("down"));
    await assert.rejects(run(), /down/);
    assert.equal(calls.length, 2);
    await assert.rejects(run(), /down/);
    assert.equal(calls.length, 3);
  });

  it("repeats what never started at once, and without the budget, but only once", async () => {
    const budget = retryBudget({ ratio: 0, minPerSecond: 1, windowMs: 1_000 });
    const refused = (): TransportError => new TransportError("refused", "refused");
    const poor = (...steps: Step[]) => scenario({ budget }, ...steps);
    for (let call = 0; call < 20; call++) {
      const { run, times } = poor(refused(), () => succeeds);
      await run(newCall({ idempotency: "unknown" }));
      assert.deepEqual(times, [0, 0]);
    }
    const twice = poor(refused(), refused(), () => succeeds);
    await twice.run();
    assert.deepEqual(twice.times, [0, 0, 200]);
    const spent = poor(refused(), refused(), () => succeeds);
    await assert.rejects(spent.run(), /refused/);
    assert.deepEqual(spent.times, [0, 0]);
  });

  it("shares a budget, and can do without one", async () => {
    const budget = retryBudget({ ratio: 0, minPerSecond: 0.1 });
    const first = scenario({ budget }, new ScriptedError("down"));
    await assert.rejects(first.run());
    const second = scenario({ budget }, new ScriptedError("down"));
    await assert.rejects(second.run());
    assert.deepEqual([first.calls.length, second.calls.length], [2, 1]);
    const unlimited = scenario({ budget: false }, new ScriptedError("down"));
    for (let call = 0; call < 100; call++) await assert.rejects(unlimited.run());
    assert.equal(unlimited.calls.length, 300);
  });

  it("does not charge a call that succeeds or may not be repeated", async () => {
    const budget = retryBudget({ ratio: 0, minPerSecond: 0.1 });
    await scenario({ budget }, succeeds).run();
    await assert.rejects(
      scenario({ budget }, new ScriptedError("x")).run(newCall({ idempotency: "unknown" })),
    );
    assert.equal(budget.balance(1_000), 1);
  });
});

describe("retry() and the calls it makes", () => {
  it("runs each attempt on a numbered fork and each ends with its own outcome", async () => {
    const { run, calls } = scenario({}, new ScriptedError("1"), succeeds);
    const call = newCall();
    await run(call);
    assert.deepEqual(
      calls.map((attempt) => [attempt.attempt, attempt.parent === call, attempt.outcome?.status]),
      [
        [1, true, "unavailable"],
        [2, true, "ok"],
      ],
    );
    assert.equal(call.outcome, ok);
  });

  it("aborts the signal of an attempt whose response is given up, unless told how to release it", async () => {
    const first: Scripted = { outcome: unavailable, name: "503" };
    const signals: AbortSignal[] = [];
    const watched =
      (response: Scripted): Step =>
      (call) => {
        signals.push(call.signal);
        return response;
      };
    const plain = scenario({}, watched(first), watched(succeeds));
    await plain.run();
    assert.deepEqual(
      signals.map((signal) => signal.aborted),
      [true, false],
    );
    const released: unknown[] = [];
    const polite = scenario({ discard: (response) => released.push(response) }, first, succeeds);
    await polite.run();
    assert.deepEqual(released, [first]);
    assert.equal(polite.calls[0]?.signal.aborted, false);
    assert.equal(polite.calls[0]?.outcome, unavailable);
  });

  it("hands a stream over and ends the call with the stream's own outcome", async () => {
    const { run, calls } = scenario({}, new ScriptedError("1"), streams);
    const call = newCall();
    assert.equal(await run(call), streams);
    assert.equal(call.outcome, undefined);
    const broken = outcome("retryable", "reset");
    calls[1]?.end(broken);
    assert.equal(call.outcome, broken);
    assert.equal(calls.length, 2);
  });

  it("tells each attempt where the others have been", async () => {
    const seen: (readonly string[])[] = [];
    const at =
      (origin: string): Step =>
      (call) => {
        seen.push(call.get(triedOrigins));
        call.endpoint = { origin };
        throw new ScriptedError(origin);
      };
    const { run } = scenario({}, at("http://a"), at("http://b"), at("http://c"));
    await assert.rejects(run());
    assert.deepEqual(seen, [[], ["http://a"], ["http://a", "http://b"]]);
  });

  it("reports each retry before it waits", async () => {
    const seen: unknown[] = [];
    const call = newCall();
    const onRetry: RetryOptions["onRetry"] = (each, stated, attempt, waitMs) =>
      seen.push([each === call, stated.status, attempt, waitMs]);
    const { run } = scenario(
      { onRetry },
      new ScriptedError("1"),
      new ScriptedError("2"),
      new ScriptedError("3"),
    );
    await assert.rejects(run(call));
    assert.deepEqual(seen, [
      [true, "unavailable", 1, 100],
      [true, "unavailable", 2, 200],
    ]);
  });
});
