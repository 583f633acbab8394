import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ok, outcome } from "../../src/core/outcome.ts";
import { type BreakerOptions, createBreaker } from "../../src/policy/breaker.ts";
import { printedErrors } from "../support/printed-errors.ts";
import { feed, breakerScenario as setUp } from "./breaker-scenario.ts";

const failed = outcome("retryable", "unavailable");
const rejected = outcome("rejected", "http_429");
const cancelled = outcome("cancelled", "cancelled");
const late = outcome("retryable", "deadline_exceeded");

describe("createBreaker() while closed", () => {
  it("opens at half of twenty calls, and not before", () => {
    const { breaker, changes } = setUp();
    feed(breaker, 19, failed);
    assert.equal(breaker.state, "closed");
    feed(breaker, 1, failed);
    assert.equal(breaker.state, "open");
    assert.deepEqual(changes, ["closed → open"]);
    const mixed = setUp().breaker;
    feed(mixed, 11, ok);
    feed(mixed, 10, failed);
    assert.equal(mixed.state, "closed");
    feed(mixed, 1, failed);
    assert.equal(mixed.state, "open");
  });

  it("counts plain failures too, and faults of the caller as success", () => {
    const { breaker } = setUp();
    feed(breaker, 30, outcome("success", "http_400"));
    assert.equal(breaker.state, "closed");
    feed(breaker, 30, outcome("failure", "internal"));
    assert.equal(breaker.state, "open");
  });

  it("forgets what is older than the window", async () => {
    const { breaker, clock } = setUp();
    feed(breaker, 19, failed);
    await clock.advance(10_000);
    feed(breaker, 19, failed);
    assert.equal(breaker.state, "closed");
    assert.equal(breaker.snapshot().calls, 19);
  });

  it("slides, rather than starting over", async () => {
    const { breaker, clock } = setUp();
    feed(breaker, 10, failed);
    await clock.advance(5_000);
    feed(breaker, 9, failed);
    await clock.advance(4_000);
    feed(breaker, 1, failed);
    assert.equal(breaker.state, "open");
  });

  it("counts a cancelled call and a refusal of this process as neither", () => {
    const { breaker } = setUp();
    feed(breaker, 100, cancelled);
    feed(breaker, 100, outcome("rejected", "bulkhead_full", { local: true }));
    assert.equal(breaker.snapshot().calls, 0);
    feed(breaker, 10, failed);
    feed(breaker, 100, cancelled);
    assert.equal(breaker.snapshot().failures, 10);
  });

  it("counts what a limit of the other side refused as neither", () => {
    const { breaker } = setUp();
    feed(breaker, 3, failed);
    feed(breaker, 100, rejected);
    const { calls, failures, consecutiveFailures } = breaker.snapshot();
    assert.deepEqual([calls, failures, consecutiveFailures], [3, 3, 3]);
    assert.equal(breaker.state, "closed");
  });

  it("starts counting consecutive failures over with a success", () => {
    const { breaker } = setUp();
    feed(breaker, 4, failed);
    feed(breaker, 1, ok);
    feed(breaker, 2, failed);
    assert.equal(breaker.snapshot().consecutiveFailures, 2);
  });

  it("does not count a deadline that was nearly spent on arrival", () => {
    const { breaker } = setUp();
    feed(breaker, 40, late, 49);
    assert.equal(breaker.snapshot().calls, 0);
    feed(breaker, 40, late, 50);
    assert.equal(breaker.state, "open");
    const strict = setUp().breaker;
    feed(strict, 40, failed, 1);
    assert.equal(strict.state, "open");
  });
});

describe("createBreaker() while open", () => {
  it("refuses for five seconds and says how long", async () => {
    const { breaker, clock } = setUp();
    feed(breaker, 20, failed);
    assert.equal(breaker.acquire(), 0);
    assert.equal(breaker.ready(), false);
    assert.equal(breaker.retryAfterMs(), 5_000);
    await clock.advance(4_999);
    assert.equal(breaker.acquire(), 0);
    assert.equal(breaker.state, "open");
    await clock.advance(1);
    assert.equal(breaker.state, "half-open");
    assert.equal(breaker.ready(), true);
    assert.equal(clock.pending, 0);
  });

  it("doubles up to a minute while it does not get better", async () => {
    const { breaker, clock } = setUp();
    feed(breaker, 20, failed);
    const waits: number[] = [];
    for (let turn = 0; turn < 6; turn++) {
      waits.push(breaker.retryAfterMs());
      await clock.advance(breaker.retryAfterMs());
      feed(breaker, 1, failed);
    }
    assert.deepEqual(waits, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it("cuts a part of the time off at random", () => {
    const shortest = setUp({ random: () => 1, jitter: 0.2 }).breaker;
    feed(shortest, 20, failed);
    assert.equal(shortest.retryAfterMs(), 4_000);
    const middle = setUp({ random: () => 0.5, jitter: 0.2 }).breaker;
    feed(middle, 20, failed);
    assert.equal(middle.retryAfterMs(), 4_500);
  });

  it("ignores the outcomes of calls from before it opened", async () => {
    const { breaker, clock } = setUp();
    const old = breaker.acquire();
    feed(breaker, 20, failed);
    breaker.release(old, ok);
    assert.equal(breaker.state, "open");
    await clock.advance(5_000);
    const probe = breaker.acquire();
    breaker.release(old, failed);
    assert.equal(breaker.state, "half-open");
    breaker.release(probe, ok);
    assert.equal(breaker.state, "half-open");
  });
});

describe("createBreaker() while half-open", () => {
  async function halfOpen(options: BreakerOptions = {}) {
    const each = setUp(options);
    feed(each.breaker, 20, failed);
    await each.clock.advance(5_000);
    return each;
  }

  it("lets one probe through, then one more with each success, then closes", async () => {
    const { breaker, changes } = await halfOpen();
    const first = breaker.acquire();
    assert.notEqual(first, 0);
    assert.equal(breaker.acquire(), 0);
    breaker.release(first, ok);
    const second = breaker.acquire();
    const third = breaker.acquire();
    assert.notEqual(third, 0);
    assert.equal(breaker.acquire(), 0);
    breaker.release(second, ok);
    assert.equal(breaker.state, "half-open");
    breaker.release(third, ok);
    assert.equal(breaker.state, "closed");
    assert.deepEqual(changes, ["closed → open", "open → half-open", "half-open → closed"]);
    assert.equal(breaker.snapshot().calls, 0);
  });

  it("opens again with the first probe that fails, for twice as long", async () => {
    for (const stated of [failed, late, outcome("failure", "internal")]) {
      const { breaker } = await halfOpen();
      feed(breaker, 2, ok);
      feed(breaker, 1, stated);
      assert.equal(breaker.state, "open");
      assert.equal(breaker.retryAfterMs(), 10_000);
    }
  });

  it("takes a probe that was cancelled or refused by a limit for no result, and lets another through", async () => {
    for (const neutral of [cancelled, rejected]) {
      const { breaker } = await halfOpen();
      const probe = breaker.acquire();
      breaker.release(probe, neutral);
      assert.equal(breaker.state, "half-open");
      assert.notEqual(breaker.acquire(), 0);
      assert.equal(breaker.acquire(), 0);
    }
  });

  it("does not wait for ever for a probe that never ends", async () => {
    const { breaker, clock } = await halfOpen();
    breaker.acquire();
    assert.equal(breaker.retryAfterMs(), 5_000);
    await clock.advance(4_999);
    assert.equal(breaker.acquire(), 0);
    await clock.advance(1);
    assert.notEqual(breaker.acquire(), 0);
    assert.equal(breaker.acquire(), 0);
  });

  it("goes on doubling when it fails again soon after it closed, and starts over after a good while", async () => {
    const flapping = await halfOpen();
    feed(flapping.breaker, 3, ok);
    assert.equal(flapping.breaker.state, "closed");
    feed(flapping.breaker, 20, failed);
    assert.equal(flapping.breaker.retryAfterMs(), 10_000);
    const recovered = await halfOpen();
    feed(recovered.breaker, 3, ok);
    await recovered.clock.advance(5_000);
    feed(recovered.breaker, 20, failed);
    assert.equal(recovered.breaker.retryAfterMs(), 5_000);
  });
});

describe("a breaker whose listener fails", () => {
  it("works on, and tells of the failure", async () => {
    const { breaker, clock } = setUp({
      minCalls: 2,
      openMs: 1_000,
      onStateChange: () => {
        throw new Error("cannot listen");
      },
    });
    const printed = await printedErrors(async () => {
      feed(breaker, 2, failed);
      assert.equal(breaker.state, "open");
      await clock.advance(1_000);
      feed(breaker, 3, ok);
    });
    assert.equal(breaker.state, "closed");
    assert.equal(printed.length, 3);
  });
});

describe("createBreaker() options", () => {
  it("refuses what is out of range, naming it", () => {
    const wrong: readonly (readonly [BreakerOptions, RegExp])[] = [
      [{ windowMs: 0 }, /windowMs is 0; pass a number above 0/],
      [{ failureRate: 0 }, /failureRate is 0; pass a number above 0 and at most 1/],
      [{ failureRate: 50 }, /failureRate is 50/],
      [{ minCalls: 0 }, /minCalls is 0/],
      [{ openMs: -1 }, /openMs is -1/],
      [{ openMs: 5_000, maxOpenMs: 1_000 }, /maxOpenMs is 1000; pass a number of at least 5000/],
      [{ jitter: 2 }, /jitter is 2; pass a number from 0 to 1/],
      [{ probes: 0 }, /probes is 0/],
      [{ minDeadlineMs: Number.NaN }, /minDeadlineMs is NaN/],
    ];
    for (const [options, message] of wrong)
      assert.throws(() => createBreaker(options), { name: "RangeError", message });
    assert.throws(() => createBreaker({ onStateChange: "log" as never }), {
      name: "TypeError",
      message: /"log"/,
    });
  });
});
