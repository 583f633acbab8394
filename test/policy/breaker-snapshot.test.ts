import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ok, outcome } from "../../src/core/outcome.ts";
import type { BreakerSnapshot } from "../../src/policy/breaker.ts";
import { feed, breakerScenario as setUp } from "./breaker-scenario.ts";

const failed = outcome("retryable", "unavailable");

describe("createBreaker() kept and restored", () => {
  it("goes on where another left off", async () => {
    const { breaker, clock } = setUp();
    feed(breaker, 20, failed);
    await clock.advance(2_000);
    const kept: BreakerSnapshot = JSON.parse(JSON.stringify(breaker.snapshot()));
    assert.deepEqual(kept, {
      state: "open",
      openForMs: 3_000,
      openings: 1,
      calls: 20,
      failures: 20,
      consecutiveFailures: 20,
    });
    const other = setUp();
    other.breaker.restore(kept);
    assert.equal(other.breaker.state, "open");
    assert.equal(other.breaker.retryAfterMs(), 3_000);
    await other.clock.advance(3_000);
    feed(other.breaker, 1, failed);
    assert.equal(other.breaker.retryAfterMs(), 10_000);
  });

  it("takes on half-open with probes of its own, and closed with an empty window", async () => {
    const { breaker, clock } = setUp();
    feed(breaker, 20, failed);
    await clock.advance(5_000);
    breaker.acquire();
    const other = setUp().breaker;
    other.restore(breaker.snapshot());
    assert.equal(other.state, "half-open");
    feed(other, 3, ok);
    assert.equal(other.state, "closed");
    breaker.restore(other.snapshot());
    assert.equal(breaker.state, "closed");
    assert.equal(breaker.snapshot().calls, 0);
  });

  it("refuses what is no snapshot", () => {
    const { breaker } = setUp();
    const good = breaker.snapshot();
    assert.throws(() => breaker.restore(null as never), { name: "TypeError", message: /are null/ });
    assert.throws(() => breaker.restore({ ...good, state: "ajar" as never }), {
      name: "TypeError",
      message: /ajar/,
    });
    assert.throws(() => breaker.restore({ ...good, openForMs: -1 }), {
      name: "RangeError",
      message: /openForMs/,
    });
  });
});
