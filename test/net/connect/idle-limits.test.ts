import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IdleLimits } from "../../../src/net/connect/idle-limits.ts";

const origin = "http://a";

describe("what is learned of idle connections", () => {
  it("holds for ten minutes when a server closed one after a second or more", () => {
    const limits = new IdleLimits();
    limits.closedAfter(origin, 1_000, 0);
    assert.equal(limits.limitOf(origin, 599_999), 750);
    assert.equal(limits.limitOf(origin, 600_000), Infinity);
  });

  it("holds for a minute when one was closed sooner, as by a restart", () => {
    const limits = new IdleLimits();
    limits.closedAfter(origin, 200, 0);
    assert.equal(limits.limitOf(origin, 59_999), 150);
    assert.equal(limits.limitOf(origin, 60_000), Infinity);
  });

  it("is not forgotten over a restart", () => {
    const limits = new IdleLimits();
    limits.closedAfter(origin, 1_000, 0);
    limits.closedAfter(origin, 200, 1);
    assert.equal(limits.limitOf(origin, 2), 150);
    assert.equal(limits.limitOf(origin, 60_001), 750);
  });

  it("is the shortest time that holds", () => {
    const limits = new IdleLimits();
    limits.closedAfter(origin, 2_000, 0);
    limits.closedAfter(origin, 1_000, 1);
    limits.closedAfter(origin, 4_000, 2);
    assert.equal(limits.limitOf(origin, 3), 750);
  });
});
