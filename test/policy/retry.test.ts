import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { triedOrigins } from "../../src/core/attempts.ts";
import type { Call } from "../../src/core/call.ts";
import { isMeshError, MeshError, TransportError } from "../../src/core/errors.ts";
import { ok, outcome } from "../../src/core/outcome.ts";
import { protect } from "../../src/core/service.ts";
import { type RetryOptions, retry } from "../../src/policy/retry.ts";
import { retryBudget } from "../../src/policy/retry-budget.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import {
  newCall,
  type Scripted,
  ScriptedError,
  type Step,
  scripted,
  scriptedService,
  streams,
  succeeds,
} from "./scenario.ts";

const unavailable = outcome("retryable", "unavailable");

/** A retry on a virtual clock whose waits are the upper bounds of the jitter, and a script behind it. */
function scenario(options: RetryOptions, ...steps: readonly Step[]) {
  const clock = new VirtualClock();
  const start = clock.now();
  const layer = retry({ clock, random: () => 1, classifier: scripted, ...options });
  const service = scriptedService(layer, ...steps.map(timed));
  const times: number[] = [];
  function timed(step: Step): Step {
    return (call) => {
      times.push(clock.now() - start);
      if (step instanceof Error) throw step;
      return typeof step === "function" ? step(call) : step;
    };
  }
  return { ...service, clock, times, run: (call?: Call) => clock.run(service.run(call)) };
}

describe("retry()", () => {
  it("answers with the first success, and asks once", async () => {
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
    const last: Scripted = { verdict: unavailable, name: "third" };
    const { run, calls } = scenario({ maxAttempts: 2 }, { verdict: unavailable, name: "first" }, last);
    assert.equal(await run(), last);
    assert.equal(calls.length, 2);
  });

  it("does not repeat a success or a failure that another attempt would not mend", async () => {
    for (const verdict of [outcome("success", "http_404"), outcome("failure", "unimplemented")]) {
      const { run, calls } = scenario({}, { verdict, name: "final" });
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
    let attempts = 0;
    const inner = retry({ clock, classifier: scripted })<undefined, Scripted>(async () => {
      attempts++;
      throw new ScriptedError("down");
    });
    await assert.rejects(clock.run(retry({ clock, classifier: scripted })(inner)(newCall(), undefined)));
    assert.equal(attempts, 3);
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
    const verdict = outcome("failure", "unimplemented", { pushbackMs: 10 });
    const { run, calls } = scenario({}, new ScriptedError("no", verdict), succeeds);
    await assert.rejects(run());
    assert.equal(calls.length, 1);
  });
});

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
    const late = retry({ clock, classifier: scripted, random: () => 0 });
    const { run, calls } = scriptedService(late, async () => {
      await clock.sleep(100);
      throw new ScriptedError("slow");
    });
    await assert.rejects(clock.run(run(newCall({ deadline: clock.now() + 100 }))), /slow/);
    assert.equal(calls.length, 1);
  });

  it("stops waiting when the caller cancels, and leaves no timer", async () => {
    const clock = new VirtualClock();
    const { run, calls } = scriptedService(retry({ clock, classifier: scripted }), new ScriptedError("1"));
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
  it("runs each attempt on a numbered fork and ends them all with their verdicts", async () => {
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

  it("cancels an attempt whose response is given up, unless told how to release it", async () => {
    const first: Scripted = { verdict: unavailable, name: "503" };
    const plain = scenario({}, first, succeeds);
    await plain.run();
    assert.deepEqual(
      plain.calls.map((attempt) => attempt.cancelled),
      [true, false],
    );
    const released: unknown[] = [];
    const polite = scenario({ discard: (response) => released.push(response) }, first, succeeds);
    await polite.run();
    assert.deepEqual(released, [first]);
    assert.equal(polite.calls[0]?.cancelled, false);
    assert.equal(polite.calls[0]?.outcome, unavailable);
  });

  it("hands a stream over and ends the call with the stream's own verdict", async () => {
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
    const onRetry: RetryOptions["onRetry"] = (each, verdict, attempt, waitMs) =>
      seen.push([each === call, verdict.status, attempt, waitMs]);
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
