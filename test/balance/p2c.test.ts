import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Balancer, EndpointState } from "../../src/balance/balancer.ts";
import { powerOfTwoChoices } from "../../src/balance/p2c.ts";
import { ok, outcome } from "../../src/core/outcome.ts";
import { createBreaker } from "../../src/policy/breaker.ts";
import { seededRandom } from "../support/random.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const failed = outcome("retryable", "unavailable");

function endpoint(name: string, known: Partial<EndpointState> = {}): EndpointState {
  return {
    endpoint: { origin: `http://${name}` },
    inFlight: 0,
    latencyMs: 0,
    latencyAt: 0,
    available: () => true,
    ...known,
  };
}

/** How often each endpoint is picked, with nothing in flight and time standing still. */
function shares(
  balancer: Balancer,
  endpoints: readonly EndpointState[],
  tried: string[] = [],
  picks = 3_000,
) {
  const counts = new Map(endpoints.map((each) => [each, 0]));
  for (let pick = 0; pick < picks; pick++) {
    const picked = balancer.pick(endpoints, tried, 0);
    if (picked !== undefined) counts.set(picked, (counts.get(picked) ?? 0) + 1);
  }
  return endpoints.map((each) => (counts.get(each) ?? 0) / picks);
}

/** What an endpoint is whose breaker refuses. */
function closedOff(): Partial<EndpointState> {
  const breaker = createBreaker({ clock: new VirtualClock({ startMs: 0 }), minCalls: 1 });
  breaker.release(breaker.acquire(), failed);
  return { available: (now) => breaker.ready(now) };
}

describe("powerOfTwoChoices()", () => {
  it("takes the only endpoint there is", () => {
    const only = endpoint("a");
    assert.equal(powerOfTwoChoices().pick([only], [], 0), only);
    assert.equal(powerOfTwoChoices().pick([only], ["http://a"], 0), only);
  });

  it("spreads evenly over equals", () => {
    const equals = ["a", "b", "c", "d"].map((name) => endpoint(name, { latencyMs: 10 }));
    for (const share of shares(powerOfTwoChoices({ random: seededRandom(1) }), equals)) {
      assert.ok(share > 0.2 && share < 0.3, `${share}`);
    }
  });

  it("prefers the faster and the less busy of two", () => {
    const balancer = powerOfTwoChoices({ random: seededRandom(2) });
    assert.deepEqual(
      shares(balancer, [endpoint("slow", { latencyMs: 50 }), endpoint("fast", { latencyMs: 10 })]),
      [0, 1],
    );
    const busy = endpoint("busy", { latencyMs: 10, inFlight: 9 });
    assert.deepEqual(shares(balancer, [busy, endpoint("slow", { latencyMs: 50 })]), [0, 1]);
  });

  it("gives an endpoint of double weight the call until it is twice as busy", () => {
    const balancer = powerOfTwoChoices({ random: seededRandom(3) });
    const heavy = endpoint("heavy", {
      latencyMs: 10,
      inFlight: 2,
      endpoint: { origin: "http://heavy", weight: 2 },
    });
    const light = endpoint("light", { latencyMs: 10, inFlight: 1 });
    assert.deepEqual(shares(balancer, [heavy, light]), [1, 0]);
    heavy.inFlight = 4;
    assert.deepEqual(shares(balancer, [heavy, light]), [0, 1]);
  });

  it("lets one call find out about a new endpoint, not a flood", () => {
    const balancer = powerOfTwoChoices({ random: seededRandom(4) });
    const known = endpoint("known", { latencyMs: 10 });
    const fresh = endpoint("fresh");
    assert.deepEqual(shares(balancer, [known, fresh]), [0, 1]);
    fresh.inFlight = 1;
    assert.deepEqual(shares(balancer, [known, fresh]), [1, 0]);
  });

  it("avoids where the call has been while there are others", () => {
    const balancer = powerOfTwoChoices({ random: seededRandom(5) });
    const all = ["a", "b", "c"].map((name) => endpoint(name, { latencyMs: 10 }));
    assert.equal(shares(balancer, all, ["http://b"])[1], 0);
    assert.deepEqual(shares(balancer, all, ["http://a", "http://b"]), [0, 0, 1]);
    for (const share of shares(balancer, all, ["http://a", "http://b", "http://c"])) assert.ok(share > 0.25);
  });

  it("avoids endpoints that are not available, even for one that was tried", () => {
    const balancer = powerOfTwoChoices({ random: seededRandom(6) });
    const open = endpoint("open", closedOff());
    const tried = endpoint("tried");
    assert.deepEqual(shares(balancer, [open, tried], ["http://tried"]), [0, 1]);
    assert.deepEqual(shares(balancer, [open, endpoint("a"), endpoint("b")])[0], 0);
    assert.equal(balancer.pick([open, endpoint("open too", closedOff())], [], 0), undefined);
    assert.equal(balancer.pick([open], [], 0), undefined);
  });

  it("stays in bounds when the random source says almost 1", () => {
    const all = ["a", "b", "c"].map((name) => endpoint(name, { latencyMs: 10 }));
    const edge = powerOfTwoChoices({ random: () => 1 });
    assert.ok(all.includes(edge.pick(all, [], 0) as EndpointState));
    assert.ok(all.includes(edge.pick(all, ["http://a"], 0) as EndpointState));
  });

  it("believes a peak at once and forgets it with time", () => {
    const balancer = powerOfTwoChoices({ decayMs: 10_000 });
    const state = endpoint("a");
    balancer.observe(state, 10, ok, 0);
    assert.equal(state.latencyMs, 10);
    balancer.observe(state, 500, ok, 1);
    assert.equal(state.latencyMs, 500);
    balancer.observe(state, 10, ok, 10_001);
    assert.ok(Math.abs(state.latencyMs - (10 + 490 / Math.E)) < 1e-9);
  });

  it("tries one that was slow again after a while without calls", () => {
    const balancer = powerOfTwoChoices({ random: seededRandom(7) });
    const slow = endpoint("slow");
    const fast = endpoint("fast");
    balancer.observe(slow, 200, ok, 0);
    let firstTurn = Infinity;
    for (let now = 0; now <= 60_000 && firstTurn === Infinity; now += 1_000) {
      balancer.observe(fast, 10, ok, now);
      if (balancer.pick([slow, fast], [], now) === slow) firstTurn = now;
    }
    // 200 ms fade to 10 ms in 10 s × ln 20.
    assert.equal(firstTurn, 30_000);
  });

  it("does not let an endpoint that fails fast draw the calls", () => {
    const balancer = powerOfTwoChoices({ random: seededRandom(8) });
    const good = endpoint("good");
    const failing = endpoint("failing");
    balancer.observe(good, 20, ok, 0);
    balancer.observe(failing, 1, failed, 0);
    assert.ok(failing.latencyMs > good.latencyMs);
    assert.equal(balancer.pick([good, failing], [], 0), good);
  });

  it("does not banish an endpoint for minutes because of one call that timed out", () => {
    const balancer = powerOfTwoChoices();
    const good = endpoint("good");
    const hanging = endpoint("hanging");
    balancer.observe(good, 20, ok, 0);
    balancer.observe(hanging, 30_000, failed, 0);
    assert.equal(hanging.latencyMs, 400);
  });

  it("learns nothing from a call that was cancelled or refused here", () => {
    const balancer = powerOfTwoChoices();
    const state = endpoint("a", { latencyMs: 10 });
    balancer.observe(state, 9_000, outcome("cancelled", "cancelled"), 5);
    balancer.observe(state, 9_000, outcome("rejected", "bulkhead_full", { local: true }), 5);
    assert.deepEqual([state.latencyMs, state.latencyAt], [10, 0]);
  });

  it("refuses a decay that is none", () => {
    assert.throws(() => powerOfTwoChoices({ decayMs: 0 }), {
      name: "RangeError",
      message: "Cannot make powerOfTwoChoices(): decayMs is 0; pass a number above 0",
    });
    assert.throws(() => powerOfTwoChoices({ decayMs: Number.NaN }), RangeError);
  });
});
