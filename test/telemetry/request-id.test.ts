import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { acceptRequestId } from "../../src/telemetry/propagation.ts";

describe("acceptRequestId()", () => {
  it("goes on with one that is short and plain", () => {
    for (const id of ["a", "req-1", "7f3c:42/x=y@z~w+v.u_t", "x".repeat(128)])
      assert.equal(acceptRequestId(id), id);
  });

  it("makes a new one where somebody else's logs could be written, or filled", () => {
    for (const id of [
      undefined,
      null,
      "",
      "a b",
      "a, b",
      "a\nb",
      "a\n",
      "\ra",
      "a\0",
      "\x1b[2J",
      "\x7f",
      "é",
      "天気",
      "\u202e",
      '"',
      "<script>",
      "x".repeat(129),
      "x".repeat(1_000_000),
    ]) {
      assert.match(acceptRequestId(id), /^[0-9a-f]{24}$/);
    }
  });
});
