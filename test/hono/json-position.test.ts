import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findJsonFault } from "../../src/hono/json-position.ts";

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("findJsonFault()", () => {
  for (const [text, offset] of [
    ["", 0],
    ["   ", 3],
    ["{", 1],
    ['{"a"', 4],
    ['{"a":', 5],
    ['{"a":1', 6],
    ['{"a":1,}', 7],
    ["{a:1}", 1],
    ["[1,2", 4],
    ["[1 2]", 3],
    ["[,]", 1],
    ["1 2", 2],
    ["01", 1],
    ["1.", 1],
    ["tru", 0],
    ['"abc', 0],
    ['"a\nb"', 0],
    ['"\\x"', 0],
    ["[1]]", 3],
    ["{}}", 2],
    ["\ufeff{}", 0],
  ] as const) {
    it(`finds the fault in ${JSON.stringify(text)} at ${offset}`, () => {
      assert.equal(findJsonFault(text)?.offset, offset);
    });
  }

  it("counts lines and columns from 1", () => {
    assert.deepEqual(findJsonFault('{\n  "a": 1,\n  "b" 2\n}'), { offset: 18, line: 3, column: 7 });
  });

  it("finds the fault in long texts, without exhausting the stack", () => {
    const count = 8 << 20;
    for (const part of ["x", "\\n", "1", " ", "[", "\n"]) {
      const quote = part === "x" || part === "\\n" ? '"' : "";
      const text = `[${quote}${part.repeat(count / part.length)}`;
      const offset = quote === "" ? text.length : 1;
      assert.equal(findJsonFault(text)?.offset, offset, JSON.stringify(part));
    }
    assert.equal(findJsonFault("\n".repeat(1000))?.line, 1001);
  });

  it("agrees with JSON.parse on whether there is a fault", () => {
    const valid = '{"a":[1,-2.5e+3,"x\\u00e9\\n",{"b":null,"c":[true,false,[],{}]}]," ":0}';
    assert.equal(findJsonFault(valid), undefined);
    for (let cut = 0; cut < valid.length; cut++) {
      for (const text of [
        valid.slice(0, cut),
        valid.slice(0, cut) + valid.slice(cut + 1),
        `${valid.slice(0, cut)},${valid.slice(cut)}`,
      ]) {
        assert.equal(findJsonFault(text) === undefined, parses(text), text);
      }
    }
  });

  it("takes deep nesting and long strings without running out of stack", () => {
    assert.equal(findJsonFault("[".repeat(200_000))?.offset, 200_000);
    assert.equal(findJsonFault(`"${"\\u0041x".repeat(200_000)}`)?.offset, 0);
    assert.equal(findJsonFault(`"${"é".repeat(1_000_000)}"`), undefined);
  });
});
