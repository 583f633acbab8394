import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Call } from "../../src/core/call.ts";
import { isMeshError } from "../../src/core/errors.ts";
import { ok, outcome } from "../../src/core/outcome.ts";
import { compose, protect } from "../../src/core/service.ts";
import { DeadlineWheel } from "../../src/policy/deadline-wheel.ts";
import { retry } from "../../src/policy/retry.ts";
import { attemptTimeout, timeout } from "../../src/policy/timeout.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { newCall, ScriptedError, scriptedService, streams, succeeds } from "./scenario.ts";

const never = (): Promise<never> => new Promise(() => {});

/** Whether a promise is still open, once everything that can run has. */
async function open(promise: Promise<unknown>, clock: VirtualClock): Promise<boolean> {
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  promise.then(mark, mark);
  await clock.advance(0);
  return !settled;
}

function exceeded(error: unknown): boolean {
  return isMeshError(error, "ERR_DEADLINE_EXCEEDED");
}

describe("timeout()", () => {
  it("sets the absolute deadline, 30 s from now unless told otherwise", async () => {
    const clock = new VirtualClock();
    const { run, calls } = scriptedService(timeout({ clock }), succeeds);
    await run();
    assert.equal(calls[0]?.deadline, clock.now() + 30_000);
  });

  it("forgets the deadline of what fails, before it has a promise or after", async () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock);
    const broken = new Error("broken");
    const atOnce = (): never => {
      throw broken;
    };
    const later = (): Promise<never> => Promise.reject(broken);
    const { run } = scriptedService(timeout({ clock, deadlines: wheel }), atOnce, later);
    await assert.rejects(run(), broken);
    await assert.rejects(run(), broken);
    assert.equal(wheel.size, 0);
  });

  it("never lengthens an inherited deadline", async () => {
    const clock = new VirtualClock();
    const { run, calls } = scriptedService(timeout({ clock, timeoutMs: 500 }), succeeds);
    await run(newCall({ deadline: clock.now() + 100 }));
    await run(newCall({ deadline: clock.now() + 900 }));
    assert.deepEqual(
      calls.map((call) => call.deadline - clock.now()),
      [100, 500],
    );
  });

  it("rejects with ERR_DEADLINE_EXCEEDED, not early and hardly late, though the work does not listen", async () => {
    const clock = new VirtualClock();
    const { run } = scriptedService(timeout({ clock, timeoutMs: 200 }), never);
    const running = run();
    await clock.advance(199);
    assert.equal(await open(running, clock), true);
    await clock.advance(1);
    await assert.rejects(running, {
      code: "ERR_DEADLINE_EXCEEDED",
      message: "Cannot complete lake read: its deadline of 200 ms has passed",
    });
    assert.equal(clock.pending, 0);
  });

  it("aborts the work with the same error, and never calls it cancelled", async () => {
    const clock = new VirtualClock();
    const { run, calls } = scriptedService(
      timeout({ clock, timeoutMs: 200 }),
      (call) =>
        new Promise((_, reject) => {
          call.signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
        }),
    );
    const running = run();
    const failure = assert.rejects(running, exceeded);
    await clock.advance(200);
    await failure;
    assert.equal(calls[0]?.cancelled, true);
    assert.ok(exceeded(calls[0]?.signal.reason));
  });

  it("passes results and errors on untouched and keeps no timer", async () => {
    const clock = new VirtualClock();
    const fault = new ScriptedError("boom");
    const { run } = scriptedService(timeout({ clock }), succeeds, fault);
    assert.equal(await run(), succeeds);
    await assert.rejects(run(), (error) => error === fault);
    await clock.advance(50);
    assert.equal(clock.pending, 0);
  });

  it("does not start what is too late already", async () => {
    const clock = new VirtualClock();
    const { run, calls } = scriptedService(timeout({ clock }), succeeds);
    await assert.rejects(run(newCall({ deadline: clock.now() })), exceeded);
    assert.equal(calls.length, 0);
  });

  it("says to a call that was made too late for its request how to outlive that", async () => {
    const clock = new VirtualClock();
    const { run } = scriptedService(timeout({ clock }), succeeds);
    const parent = newCall({ side: "server", operation: "GET /rows", deadline: clock.now() });
    await assert.rejects(run(newCall({ parent })), {
      code: "ERR_DEADLINE_EXCEEDED",
      message:
        "Cannot complete lake read: the deadline of GET /rows, in whose handler it was made, passed before it began; pass parent: null to work that outlives its request",
    });
  });

  it("rejects at once with the caller's own reason when the caller cancels", async () => {
    const clock = new VirtualClock();
    const { run } = scriptedService(timeout({ clock }), never);
    const call = newCall();
    const running = run(call);
    call.cancel();
    await assert.rejects(running, (error) => isMeshError(error, "ERR_CANCELLED"));
    await assert.rejects(run(call), (error) => isMeshError(error, "ERR_CANCELLED"));
  });

  it("enforces the inherited deadline when it has none of its own", async () => {
    const clock = new VirtualClock();
    const { run, calls } = scriptedService(timeout({ clock, timeoutMs: Infinity }), never, succeeds);
    const running = assert.rejects(run(newCall({ deadline: clock.now() + 100 })), exceeded);
    await clock.advance(100);
    await running;
    await run();
    assert.equal(calls[1]?.deadline, Infinity);
    assert.equal(clock.pending, 0);
  });

  it("keeps the deadline of a stream until the stream ends", async () => {
    const clock = new VirtualClock();
    const layer = timeout({ clock, timeoutMs: 200 });
    const { run, calls } = scriptedService(layer, streams);
    await run();
    await run();
    calls[0]?.end(ok);
    await clock.advance(200);
    assert.equal(calls[0]?.cancelled, false);
    assert.ok(exceeded(calls[1]?.reason));
    assert.equal(clock.pending, 0);
  });

  it("is enough for a function that takes a signal", async () => {
    const clock = new VirtualClock();
    const nap = protect(timeout({ clock, timeoutMs: 50 }), (ms: number, call: Call) =>
      clock.sleep(ms, call.signal),
    );
    await clock.run(nap(40));
    await assert.rejects(clock.run(nap(60)), exceeded);
    assert.equal(clock.pending, 0);
  });

  it("refuses times that are none", () => {
    for (const timeoutMs of [-1, 0, Number.NaN]) {
      assert.throws(() => timeout({ timeoutMs }), {
        name: "RangeError",
        message: `Cannot make timeout(): timeoutMs is ${timeoutMs}; pass a number above 0, or Infinity`,
      });
    }
    assert.throws(() => timeout({ timeoutMs: "30s" as never }), { name: "TypeError", message: /"30s"/ });
    assert.throws(() => timeout(2_000 as never), { name: "TypeError", message: /options are 2000/ });
    assert.throws(() => attemptTimeout({ timeoutMs: -5 }), {
      name: "RangeError",
      message: /attemptTimeout\(\)/,
    });
  });
});

describe("attemptTimeout()", () => {
  it("gives each attempt its own time and the call all of it", async () => {
    const clock = new VirtualClock();
    const layer = compose(
      timeout({ clock, timeoutMs: 1_000 }),
      retry({ clock, random: () => 0.5 }),
      attemptTimeout({ clock, timeoutMs: 100 }),
    );
    const { run, calls } = scriptedService(layer, never, never, succeeds);
    const call = newCall();
    const start = clock.now();
    assert.equal(await clock.run(run(call)), succeeds);
    assert.equal(clock.now() - start, 350);
    assert.deepEqual(
      calls.map((attempt) => attempt.deadline - start),
      [100, 250, 450],
    );
    assert.equal(call.deadline, start + 1_000);
    assert.equal(call.cancelled, false);
    assert.equal(calls[0]?.outcome?.status, "deadline_exceeded");
  });

  it("gives an attempt no more than what remains of the call", async () => {
    const clock = new VirtualClock();
    const layer = compose(
      timeout({ clock, timeoutMs: 150 }),
      retry({ clock, random: () => 0 }),
      attemptTimeout({ clock, timeoutMs: 100 }),
    );
    const { run, calls } = scriptedService(layer, never);
    const start = clock.now();
    await assert.rejects(clock.run(run()), {
      code: "ERR_DEADLINE_EXCEEDED",
      message: "Cannot complete lake read: its deadline of 150 ms has passed",
    });
    assert.deepEqual(
      calls.map((attempt) => attempt.deadline - start),
      [100, 150],
    );
    assert.equal(clock.now() - start, 150);
  });

  it("is no layer at all without a time", () => {
    const next = async (): Promise<number> => 1;
    assert.equal(attemptTimeout()(next), next);
  });
});

describe("timeout() around retry()", () => {
  it("surfaces the original error when the deadline leaves no room for another attempt", async () => {
    const clock = new VirtualClock();
    const layer = compose(timeout({ clock, timeoutMs: 50 }), retry({ clock, random: () => 1 }));
    const original = new ScriptedError("down", outcome("retryable", "unavailable"));
    const { run } = scriptedService(layer, original);
    await assert.rejects(clock.run(run()), (error) => error === original);
  });
});
