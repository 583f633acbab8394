import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as ours from "../../src/core/errors.ts";
// @ts-expect-error: the query makes it a second copy of the module, as two installed versions would be
import * as copied from "../../src/core/errors.ts?copy";

const theirs = copied as typeof ours;

describe("MeshError", () => {
  it("carries code, cause and the time to wait", () => {
    const cause = new Error("beneath");
    const error = new ours.MeshError("ERR_RATE_LIMITED", "too fast", { cause, retryAfterMs: 250 });
    assert.equal(error.name, "MeshError");
    assert.equal(error.code, "ERR_RATE_LIMITED");
    assert.equal(error.message, "too fast");
    assert.equal(error.cause, cause);
    assert.equal(error.retryAfterMs, 250);
    assert.equal("cause" in new ours.MeshError("ERR_CANCELLED", "stop"), false);
  });

  it("is told apart by code, not by class", () => {
    const error = new ours.MeshError("ERR_BREAKER_OPEN", "open");
    assert.equal(ours.isMeshError(error), true);
    assert.equal(ours.isMeshError(error, "ERR_BREAKER_OPEN"), true);
    assert.equal(ours.isMeshError(error, "ERR_CANCELLED"), false);
    assert.equal(ours.isMeshError(Object.assign(new Error("fake"), { code: "ERR_BREAKER_OPEN" })), false);
    assert.equal(ours.isMeshError({ code: "ERR_BREAKER_OPEN" }), false);
    assert.equal(ours.isMeshError(undefined), false);
  });

  it("is recognised when it comes from another copy of the package", () => {
    const error = new theirs.MeshError("ERR_BREAKER_OPEN", "open");
    assert.notEqual(theirs.MeshError, ours.MeshError);
    assert.equal(error instanceof ours.MeshError, false);
    assert.equal(ours.isMeshError(error, "ERR_BREAKER_OPEN"), true);
    assert.equal(ours.isTransportError(new theirs.TransportError("reset", "reset")), true);
    assert.equal(ours.isTransportError(error), false);
  });
});

describe("TransportError", () => {
  it("says that a request never started only for faults that come before it is sent", () => {
    const before = ["refused", "dns", "unreachable", "tls", "no-http2", "never-started"] as const;
    const after = ["reset", "closed", "unknown"] as const;
    for (const fault of before) assert.equal(new ours.TransportError(fault, fault).neverStarted, true, fault);
    for (const fault of after) assert.equal(new ours.TransportError(fault, fault).neverStarted, false, fault);
    assert.equal(new ours.TransportError("reset", "x").code, "ERR_TRANSPORT");
  });
});
