import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call } from "../../src/core/call.ts";
import { defaultClassifier } from "../../src/core/classifier.ts";
import { MeshError, TransportError } from "../../src/core/errors.ts";

function newCall(): Call {
  return new Call({ side: "client", protocol: "local", service: "lake", operation: "read" });
}

describe("defaultClassifier", () => {
  it("takes what is returned for a success and what is thrown for retryable", () => {
    assert.deepEqual(defaultClassifier.response(newCall(), 1), {
      verdict: "success",
      status: "ok",
      neverStarted: false,
      local: false,
      pushbackMs: undefined,
    });
    const verdict = defaultClassifier.error(newCall(), new Error("boom"));
    assert.deepEqual([verdict.kind, verdict.neverStarted, verdict.local], ["retryable", false, false]);
  });

  it("takes the mesh's own refusals for local ones that never started", () => {
    const verdict = defaultClassifier.error(newCall(), new MeshError("ERR_BREAKER_OPEN", "open"));
    assert.deepEqual([verdict.kind, verdict.neverStarted, verdict.local], ["rejected", true, true]);
  });

  it("believes a fault of the connection about whether the request was sent", () => {
    assert.equal(defaultClassifier.error(newCall(), new TransportError("refused", "x")).neverStarted, true);
    assert.equal(defaultClassifier.error(newCall(), new TransportError("reset", "x")).neverStarted, false);
  });

  it("calls a cancelled call cancelled whatever it threw, and one past its deadline that", () => {
    const cancelled = newCall();
    cancelled.cancel();
    assert.equal(defaultClassifier.error(cancelled, new Error("socket closed")).kind, "cancelled");
    const late = newCall();
    late.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "late"));
    const verdict = defaultClassifier.error(late, new Error("socket closed"));
    assert.deepEqual([verdict.kind, verdict.status], ["retryable", "deadline_exceeded"]);
  });
});
