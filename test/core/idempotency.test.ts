import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { idempotencyFrom } from "../../src/core/idempotency.ts";

describe("idempotencyFrom()", () => {
  it("believes the caller, then the method, then an idempotency key", () => {
    assert.equal(idempotencyFrom(false, "safe", true), "unknown");
    assert.equal(idempotencyFrom(true, undefined, false), "idempotent");
    assert.equal(idempotencyFrom(true, "safe", false), "safe");
    assert.equal(idempotencyFrom(undefined, "safe", true), "safe");
    assert.equal(idempotencyFrom(undefined, undefined, true), "idempotent");
    assert.equal(idempotencyFrom(undefined, undefined, false), "unknown");
  });
});
