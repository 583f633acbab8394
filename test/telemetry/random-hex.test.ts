import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { randomTexts } from "../../src/telemetry/propagation.ts";

describe("randomTexts()", () => {
  it("fills every x of the pattern, across the borders of its blocks", () => {
    const next = randomTexts("a-xxxx-b-xx.");
    const texts = Array.from({ length: 5_000 }, next);
    for (const text of texts) assert.match(text, /^a-[0-9a-f]{4}-b-[0-9a-f]{2}\.$/);
    assert.ok(new Set(texts).size > 4_900);
  });

  it("uses each digit about as often as any other", () => {
    const next = randomTexts("x".repeat(100));
    const counts = new Map<string, number>();
    for (let index = 0; index < 1_000; index++) {
      for (const digit of next()) counts.set(digit, (counts.get(digit) ?? 0) + 1);
    }
    assert.equal(counts.size, 16);
    // 6250 each; a deviation of 10 σ does not happen.
    for (const [digit, count] of counts) assert.ok(Math.abs(count - 6_250) < 800, `${digit}: ${count}`);
  });

  it("never makes a run of zeros only", () => {
    const next = randomTexts("x-x");
    for (let index = 0; index < 20_000; index++) assert.doesNotMatch(next(), /0/);
  });
});
