import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { protect } from "../../src/core/service.ts";
import { RateLimitError } from "../../src/policy/rate-limit.ts";
import { createTokenBucket, tokenBucket } from "../../src/policy/token-bucket.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

describe("createTokenBucket()", () => {
  it("holds a burst of twenty and fills with a hundred a minute", async () => {
    const clock = new VirtualClock();
    const bucket = createTokenBucket({ clock });
    for (let taken = 0; taken < 20; taken++) assert.equal(bucket.take().allowed, true);
    assert.deepEqual(bucket.take(), {
      allowed: false,
      remaining: 0,
      resetMs: 12_000,
      retryAfterMs: 600,
      limit: 100,
      windowMs: 60_000,
    });
    await clock.advance(599);
    assert.equal(bucket.take().allowed, false);
    await clock.advance(1);
    assert.equal(bucket.take().allowed, true);
    assert.equal(bucket.take().allowed, false);
  });

  it("never holds more than its burst", async () => {
    const clock = new VirtualClock();
    const bucket = createTokenBucket({ clock, burst: 3 });
    await clock.advance(3_600_000);
    assert.equal(bucket.tokens, 3);
    assert.equal(bucket.take(3).allowed, true);
    assert.equal(bucket.take().allowed, false);
  });

  it("does not lose tokens to rounding when it is looked at often", async () => {
    const clock = new VirtualClock();
    const bucket = createTokenBucket({ clock, refillPerMinute: 7, burst: 1 });
    bucket.take();
    for (let look = 0; look < 60; look++) {
      await clock.advance(1_000 / 7);
      assert.equal(bucket.take().allowed, (look + 1) % 60 === 0);
    }
  });

  it("takes several at once or none", () => {
    const bucket = createTokenBucket({ clock: new VirtualClock(), burst: 5 });
    assert.equal(bucket.take(4).remaining, 1);
    assert.equal(bucket.take(2).allowed, false);
    assert.equal(bucket.take(1).allowed, true);
    assert.throws(() => bucket.take(6), {
      name: "RangeError",
      message: /count is 6; pass a number from 0 to 5/,
    });
  });

  it("refuses rates and bursts that are none", () => {
    assert.throws(
      () => createTokenBucket({ refillPerMinute: 0 }),
      /refillPerMinute is 0; pass a number above 0/,
    );
    assert.throws(() => createTokenBucket({ burst: 0.5 }), /burst is 0.5; pass a number of at least 1/);
    assert.throws(() => tokenBucket({ refillPerMinute: Number.NaN }), /refillPerMinute is NaN/);
  });
});

describe("tokenBucket()", () => {
  it("refuses with ERR_RATE_LIMITED and the decision when there is no token", async () => {
    const clock = new VirtualClock();
    const run = protect(tokenBucket({ clock, refillPerMinute: 60, burst: 2 }), (n: number) => n);
    assert.deepEqual([await run(1), await run(2)], [1, 2]);
    await assert.rejects(run(3), (error) => {
      assert.ok(error instanceof RateLimitError);
      assert.equal(error.code, "ERR_RATE_LIMITED");
      assert.equal(error.retryAfterMs, 1_000);
      assert.equal(error.decision.remaining, 0);
      return true;
    });
    await clock.advance(1_000);
    assert.equal(await run(4), 4);
  });

  it("shares a bucket between functions", async () => {
    const bucket = createTokenBucket({ clock: new VirtualClock(), burst: 1 });
    await protect(tokenBucket(bucket), () => {})(undefined);
    await assert.rejects(protect(tokenBucket(bucket), () => {})(undefined), { code: "ERR_RATE_LIMITED" });
  });
});
