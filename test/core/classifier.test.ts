import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call } from "../../src/core/call.ts";
import { defaultClassifier, endWithError } from "../../src/core/classifier.ts";
import { MeshError, type TlsReason, TransportError } from "../../src/core/errors.ts";
import { outcome } from "../../src/core/outcome.ts";

function newCall(): Call {
  return new Call({ side: "client", protocol: "local", service: "lake", operation: "read" });
}

describe("defaultClassifier", () => {
  it("takes what is returned for a success and what is thrown for retryable", () => {
    assert.deepEqual(defaultClassifier.response(newCall(), 1), {
      kind: "success",
      status: "ok",
      neverStarted: false,
      local: false,
      pushbackMs: undefined,
    });
    const stated = defaultClassifier.error(newCall(), new Error("boom"));
    assert.deepEqual([stated.kind, stated.neverStarted, stated.local], ["retryable", false, false]);
  });

  it("takes the mesh's own refusals for local ones that never started", () => {
    const stated = defaultClassifier.error(newCall(), new MeshError("ERR_BREAKER_OPEN", "open"));
    assert.deepEqual([stated.kind, stated.neverStarted, stated.local], ["rejected", true, true]);
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
    const stated = defaultClassifier.error(late, new Error("socket closed"));
    assert.deepEqual([stated.kind, stated.status], ["retryable", "deadline_exceeded"]);
  });
});

describe("endWithError()", () => {
  it("leaves the outcome that the transport stated, and returns it", () => {
    const call = newCall();
    const stated = outcome("retryable", "unavailable");
    call.end(stated);
    assert.equal(endWithError(call, new MeshError("ERR_BREAKER_OPEN", "open")), stated);
    assert.equal(call.outcome, stated);
  });

  it("ends the call as the error says: a refusal, a fault of the connection, or a plain failure", () => {
    const ended = (error: unknown): readonly unknown[] => {
      const call = newCall();
      const { kind, status, local } = endWithError(call, error);
      assert.equal(call.outcome?.status, status);
      return [kind, status, local];
    };
    assert.deepEqual(ended(new MeshError("ERR_NO_ENDPOINTS", "none")), ["rejected", "no_endpoints", true]);
    assert.deepEqual(ended(new TransportError("reset", "x")), ["retryable", "transport_reset", false]);
    assert.deepEqual(ended("anything at all"), ["failure", "error", false]);
  });

  it("tells TLS that fails for good from what may pass, and its own fault from the endpoint's", () => {
    const ended = (tlsReason: TlsReason | undefined): readonly unknown[] => {
      const { kind, status, neverStarted, lasting } = endWithError(
        newCall(),
        new TransportError("tls", "x", { tlsReason }),
      );
      assert.deepEqual([status, neverStarted], ["transport_tls", true]);
      return [kind, lasting];
    };
    for (const reason of [undefined, "handshake"] as const) {
      assert.deepEqual(ended(reason), ["retryable", undefined], reason);
    }
    for (const reason of [
      "expired",
      "not-yet-valid",
      "unknown-authority",
      "revoked",
      "wrong-name",
      "wrong-identity",
      "bad-certificate",
      "plaintext",
      "tls-required",
    ] as const) {
      assert.deepEqual(ended(reason), ["retryable", true], reason);
    }
    for (const reason of [
      "certificate-required",
      "certificate-refused",
      "no-common-version",
      "no-common-cipher",
    ] as const) {
      assert.deepEqual(ended(reason), ["failure", undefined], reason);
    }
  });

  it("calls a cancelled call cancelled, and one past its deadline that, whatever was thrown", () => {
    const cancelled = newCall();
    cancelled.cancel();
    assert.equal(endWithError(cancelled, new Error("socket closed")).kind, "cancelled");
    const late = newCall();
    late.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "late"));
    assert.equal(endWithError(late, new Error("socket closed")).status, "deadline_exceeded");
  });
});
