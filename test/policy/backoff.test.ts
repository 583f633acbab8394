import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fullJitter } from "../../src/policy/backoff.ts";

const top = (): number => 1 - 2 ** -53;

describe("fullJitter()", () => {
  it("doubles its upper bound from 100 ms, up to 5 s", () => {
    const backoff = fullJitter();
    const bounds = [1, 2, 3, 4, 5, 6, 7, 60].map((attempt) => Math.round(backoff(attempt, top)));
    assert.deepEqual(bounds, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  it("takes anything down to nothing, evenly", () => {
    const backoff = fullJitter({ baseMs: 1000 });
    assert.equal(
      backoff(1, () => 0),
      0,
    );
    assert.equal(
      backoff(1, () => 0.25),
      250,
    );
    assert.equal(
      backoff(2, () => 0.25),
      500,
    );
  });

  it("refuses bounds that are no times", () => {
    assert.throws(() => fullJitter({ baseMs: -1 }), { name: "RangeError", message: /baseMs is -1/ });
    assert.throws(() => fullJitter({ maxMs: Number.NaN }), { name: "RangeError", message: /maxMs is NaN/ });
    assert.throws(() => fullJitter({ maxMs: "5s" as never }), {
      name: "TypeError",
      message: /maxMs is "5s"/,
    });
  });
});
