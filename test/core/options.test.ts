import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkBoolean, checkFunction, checkNumber, checkOptions, checkWord } from "../../src/core/options.ts";

describe("checkNumber()", () => {
  it("returns what is in range", () => {
    assert.equal(checkNumber("x()", "n", 3, { min: 1, max: 5, integer: true }), 3);
    assert.equal(checkNumber("x()", "n", 0), 0);
    assert.equal(checkNumber("x()", "n", Infinity, { max: Infinity, integer: true }), Infinity);
  });

  it("names the option, the value and the remedy", () => {
    assert.throws(() => checkNumber("x()", "n", 7, { min: 1, max: 5, integer: true }), {
      name: "RangeError",
      message: "Cannot make x(): n is 7; pass an integer from 1 to 5",
    });
    assert.throws(() => checkNumber("x()", "n", -1), {
      name: "RangeError",
      message: "Cannot make x(): n is -1; pass a number of at least 0",
    });
    assert.throws(() => checkNumber("x()", "n", "30s"), {
      name: "TypeError",
      message: 'Cannot make x(): n is "30s"; pass a number of at least 0',
    });
    assert.throws(() => checkNumber("x()", "n", 0, { above: true, max: Infinity }), {
      name: "RangeError",
      message: "Cannot make x(): n is 0; pass a number above 0, or Infinity",
    });
  });

  it("refuses NaN, fractions of integers, and Infinity unless it is allowed", () => {
    assert.throws(() => checkNumber("x()", "n", Number.NaN), RangeError);
    assert.throws(() => checkNumber("x()", "n", 1.5, { integer: true }), RangeError);
    assert.throws(() => checkNumber("x()", "n", Infinity), RangeError);
    for (const value of [null, [], {}, () => 1, true, 1n, Symbol("s")]) {
      assert.throws(() => checkNumber("x()", "n", value), TypeError);
    }
  });
});

describe("checkOptions() with a key that does not exist", () => {
  const known = { maxConcurrent: true, timeoutMs: true, burst: true } as const;
  const refusal = (key: string, rest: string): { name: string; message: string } => ({
    name: "TypeError",
    message: `Cannot make x(): it has no option "${key}"; ${rest}`,
  });

  it("suggests the nearest one, and lists all when none is near", () => {
    for (const [key, rest] of [
      ["timeout", 'did you mean "timeoutMs"?'],
      ["timeoutMS", 'did you mean "timeoutMs"?'],
      ["maxConcurent", 'did you mean "maxConcurrent"?'],
      ["bursts", 'did you mean "burst"?'],
      ["busrt", 'did you mean "burst"?'],
      ["allowedBurst", 'did you mean "burst"?'],
      ["colour", "its options are maxConcurrent, timeoutMs, burst"],
      ["__proto", "its options are maxConcurrent, timeoutMs, burst"],
      ["constructor", "its options are maxConcurrent, timeoutMs, burst"],
    ] as const) {
      assert.throws(() => checkOptions("x()", { [key]: 1 } as never, known), refusal(key, rest));
    }
  });
});

describe("checkWord() and checkBoolean()", () => {
  it("let what is right and what is left out pass", () => {
    assert.equal(checkWord("x()", "mode", "fast", ["fast", "slow"]), "fast");
    assert.equal(checkWord("x()", "mode", undefined, ["fast", "slow"]), undefined);
    assert.equal(checkBoolean("x()", "on", false), false);
    assert.equal(checkBoolean("x()", "on", undefined), undefined);
  });

  it("refuse everything else, and say what to pass", () => {
    assert.throws(() => checkWord("x()", "mode", "faster" as never, ["fast", "slow"]), {
      name: "TypeError",
      message: 'Cannot make x(): mode is "faster"; pass "fast" or "slow"',
    });
    assert.throws(() => checkBoolean("x()", "on", "yes" as never), {
      name: "TypeError",
      message: 'Cannot make x(): on is "yes"; pass true or false',
    });
  });
});

describe("checkFunction() and checkOptions()", () => {
  it("let functions, objects and what is left out pass", () => {
    const run = (): void => {};
    assert.equal(checkFunction("x()", "f", run), run);
    assert.equal(checkFunction("x()", "f", undefined), undefined);
    checkOptions("x()", { burst: 1 }, { burst: true });
  });

  it("refuse everything else", () => {
    assert.throws(() => checkFunction("x()", "f", 3), {
      name: "TypeError",
      message: "Cannot make x(): f is 3; pass a function or leave it out",
    });
    assert.throws(() => checkOptions("x()", 3000 as never, {}), {
      name: "TypeError",
      message: "Cannot make x(): its options are 3000; pass an object",
    });
    for (const value of [null, "fast", []])
      assert.throws(() => checkOptions("x()", value as never, {}), TypeError);
  });
});
