import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MeshError, TransportError } from "../../src/core/errors.ts";
import { outcome } from "../../src/core/outcome.ts";
import { compose, protect } from "../../src/core/service.ts";
import { retry } from "../../src/policy/retry.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { retryScenario as scenario } from "./retry-scenario.ts";
import { newCall, type Scripted, ScriptedError, scriptedService, succeeds } from "./scenario.ts";

const unavailable = outcome("retryable", "unavailable");

describe("retry()", () => {
  it("returns the first success, and sends once", async () => {
    const { run, calls, clock } = scenario({}, succeeds);
    assert.equal(await run(), succeeds);
    assert.equal(calls.length, 1);
    assert.equal(clock.pending, 0);
  });

  it("tries three times, waiting up to 100 ms and then 200 ms", async () => {
    const { run, times } = scenario({}, new ScriptedError("1"), new ScriptedError("2"), succeeds);
    assert.equal(await run(), succeeds);
    assert.deepEqual(times, [0, 100, 300]);
  });

  it("spreads its waits with the random source", async () => {
    const { run, times } = scenario({ random: () => 0.5 }, new ScriptedError("1"), succeeds);
    await run();
    assert.deepEqual(times, [0, 50]);
  });

  it("throws the error of the last attempt itself", async () => {
    const last = new ScriptedError("third");
    const { run, calls } = scenario({}, new ScriptedError("1"), new ScriptedError("2"), last);
    await assert.rejects(run(), (error) => error === last);
    assert.equal(calls.length, 3);
  });

  it("returns the response of the last attempt itself", async () => {
    const last: Scripted = { outcome: unavailable, name: "third" };
    const { run, calls } = scenario({ maxAttempts: 2 }, { outcome: unavailable, name: "first" }, last);
    assert.equal(await run(), last);
    assert.equal(calls.length, 2);
  });

  it("does not repeat a success or a failure that another attempt would not mend", async () => {
    for (const stated of [outcome("success", "http_404"), outcome("failure", "unimplemented")]) {
      const { run, calls } = scenario({}, { outcome: stated, name: "final" });
      assert.equal((await run()).name, "final");
      assert.equal(calls.length, 1);
    }
  });

  it("repeats what a limit on the other side refused, and never what this process refused", async () => {
    const remote = scenario({}, new ScriptedError("429", outcome("rejected", "http_429")), succeeds);
    assert.equal(await remote.run(), succeeds);
    const refusal = new MeshError("ERR_BREAKER_OPEN", "open");
    const local = scenario({}, refusal, succeeds);
    await assert.rejects(local.run(), (error) => error === refusal);
    assert.equal(local.calls.length, 1);
  });

  it("surfaces what really happened when a later attempt is refused by this process", async () => {
    const real = new ScriptedError("connection reset");
    const { run, calls } = scenario({}, real, new MeshError("ERR_BREAKER_OPEN", "open"));
    const call = newCall();
    await assert.rejects(run(call), (error) => error === real);
    assert.equal(calls.length, 2);
    assert.equal(call.outcome?.status, "unavailable");
  });

  it("is no layer at all with a single attempt", () => {
    const next = async (): Promise<number> => 1;
    assert.equal(retry({ maxAttempts: 1 })(next), next);
  });

  it("wraps any function", async () => {
    const clock = new VirtualClock();
    let turns = 0;
    const flaky = protect(retry({ clock }), (id: string) => {
      if (++turns < 3) throw new Error("not yet");
      return `${id} after ${turns}`;
    });
    assert.equal(await clock.run(flaky("row")), "row after 3");
  });
});

describe("retry() and idempotency", () => {
  it("repeats a call of unknown idempotency only when it provably never started", async () => {
    const refused = scenario({}, new TransportError("refused", "refused"), succeeds);
    assert.equal(await refused.run(newCall({ idempotency: "unknown" })), succeeds);
    const reset = scenario({}, new TransportError("reset", "reset"), succeeds);
    await assert.rejects(reset.run(newCall({ idempotency: "unknown" })), /reset/);
    assert.equal(reset.calls.length, 1);
  });

  it("repeats safe and idempotent calls after a reset", async () => {
    for (const idempotency of ["safe", "idempotent"] as const) {
      const { run, calls } = scenario({}, new TransportError("reset", "reset"), succeeds);
      await run(newCall({ idempotency }));
      assert.equal(calls.length, 2);
    }
  });

  it("does not repeat a request that cannot be replayed", async () => {
    const { run, calls } = scenario({ replayable: () => false }, new TransportError("refused", "refused"));
    await assert.rejects(run());
    assert.equal(calls.length, 1);
  });

  it("leaves retries to the service up the chain that owns them", async () => {
    const { run, calls } = scenario({}, new ScriptedError("1"), succeeds);
    const call = newCall();
    call.retryOwnedUpstream = true;
    await assert.rejects(run(call));
    assert.equal(calls.length, 1);
  });

  it("marks its attempts, so that nobody below repeats them too, only where it would itself", async () => {
    const owned = scenario({}, succeeds);
    await owned.run();
    assert.equal(owned.calls[0]?.retryOwnedUpstream, true);
    const left = scenario({}, succeeds);
    await left.run(newCall({ idempotency: "unknown" }));
    assert.equal(left.calls[0]?.retryOwnedUpstream, false);
  });

  it("does not multiply with a retry inside", async () => {
    const clock = new VirtualClock();
    const { run, calls } = scriptedService(
      compose(retry({ clock }), retry({ clock })),
      new ScriptedError("down"),
    );
    await assert.rejects(clock.run(run()));
    assert.equal(calls.length, 3);
  });
});

describe("retry() and the server's word", () => {
  const pushed = (pushbackMs: number): ScriptedError =>
    new ScriptedError("later", outcome("retryable", "unavailable", { pushbackMs }));

  it("waits exactly as long as it is told", async () => {
    const { run, times } = scenario({ random: () => 0.1 }, pushed(1_234), pushed(0), succeeds);
    await run();
    assert.deepEqual(times, [0, 1_234, 1_234]);
  });

  it("takes Infinity, a negative and an unparseable pushback for a ban", async () => {
    for (const pushbackMs of [Infinity, -1, Number.NaN]) {
      const { run, calls } = scenario({}, pushed(pushbackMs), succeeds);
      await assert.rejects(run(), /later/);
      assert.equal(calls.length, 1);
    }
  });

  it("does not repeat a plain failure just because it came with a pushback", async () => {
    const stated = outcome("failure", "unimplemented", { pushbackMs: 10 });
    const { run, calls } = scenario({}, new ScriptedError("no", stated), succeeds);
    await assert.rejects(run());
    assert.equal(calls.length, 1);
  });
});

describe("retry() options", () => {
  it("refuses numbers of attempts outside 1 to 5", () => {
    for (const maxAttempts of [0, -1, 6, 2.5, Number.NaN, Infinity]) {
      assert.throws(() => retry({ maxAttempts }), {
        name: "RangeError",
        message: `Cannot make retry(): maxAttempts is ${maxAttempts}; pass an integer from 1 to 5`,
      });
    }
    assert.throws(() => retry({ maxAttempts: "3" as never }), TypeError);
  });

  it("refuses functions that are none, and options that are no object", () => {
    for (const name of ["backoff", "replayable", "discard", "onRetry"]) {
      assert.throws(() => retry({ [name]: 100 }), {
        name: "TypeError",
        message: new RegExp(`${name} is 100`),
      });
    }
    assert.throws(() => retry(3 as never), { name: "TypeError", message: /options are 3/ });
  });
});
