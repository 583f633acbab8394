import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call } from "../../../src/core/call.ts";
import { pending } from "../../../src/core/classifier.ts";
import { MeshError, TransportError } from "../../../src/core/errors.ts";
import type { Outcome } from "../../../src/core/outcome.ts";
import { outcomeOfCode, rpcClassifier } from "../../../src/rpc/client/classifier.ts";

function newCall(): Call {
  return new Call({ side: "client", protocol: "grpc", service: "echo", operation: "a.B/C" });
}

/** An error as the server sent it. */
function wire(code: Code, metadata?: HeadersInit): ConnectError {
  const error = new ConnectError("said the server", code, metadata);
  error.isWireError = true;
  return error;
}

const plain = rpcClassifier();

describe("rpcClassifier()", () => {
  it("judges a unary response at once and a stream at its end", () => {
    assert.equal((plain.response(newCall(), { stream: false }) as Outcome).status, "ok");
    assert.equal(plain.response(newCall(), { stream: true }), pending);
  });

  it("knows which codes are the caller's, the server's, or of the moment", () => {
    const outcomes: Record<string, string[]> = {};
    for (let code = 1; code <= 16; code++) {
      const { kind, status } = plain.error(newCall(), wire(code));
      outcomes[kind] = [...(outcomes[kind] ?? []), status];
    }
    assert.deepEqual(outcomes, {
      failure: ["canceled", "unknown", "internal", "data_loss"],
      success: [
        "invalid_argument",
        "not_found",
        "already_exists",
        "permission_denied",
        "failed_precondition",
        "aborted",
        "out_of_range",
        "unimplemented",
        "unauthenticated",
      ],
      retryable: ["deadline_exceeded", "unavailable"],
      rejected: ["resource_exhausted"],
    });
  });

  it("takes numbers nobody defined for unknown, and 0 for success", () => {
    assert.equal(outcomeOfCode(0).kind, "success");
    assert.equal(outcomeOfCode(99).status, "unknown");
  });

  it("calls a call cancelled only when it was", () => {
    const call = newCall();
    assert.equal(plain.error(call, wire(Code.Canceled)).kind, "failure");
    call.cancel();
    assert.equal(plain.error(call, wire(Code.Unavailable)).kind, "cancelled");
    const late = newCall();
    late.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "late"));
    assert.equal(plain.error(late, new ConnectError("aborted", Code.Canceled)).status, "deadline_exceeded");
  });

  it("reads the server's word on the next attempt", () => {
    const pushback = (metadata: HeadersInit, code = Code.Unavailable): number | undefined =>
      plain.error(newCall(), wire(code, metadata)).pushbackMs;
    assert.equal(pushback({}), undefined);
    assert.equal(pushback({ "grpc-retry-pushback-ms": "250" }), 250);
    assert.equal(pushback({ "grpc-retry-pushback-ms": "0" }), 0);
    assert.equal(pushback({ "grpc-retry-pushback-ms": "-1" }), Infinity);
    assert.equal(pushback({ "grpc-retry-pushback-ms": "soon" }), Infinity);
    assert.equal(pushback({ "grpc-retry-pushback-ms": "" }), Infinity);
    assert.equal(pushback({ "retry-after": "3" }, Code.ResourceExhausted), 3_000);
    const date = "Sat, 21 Nov 2026 10:00:00 GMT";
    assert.equal(pushback({ date, "retry-after": "Sat, 21 Nov 2026 10:00:05 GMT" }), 5_000);
    assert.equal(pushback({ "retry-after": "-5" }), Infinity);
    assert.equal(pushback({ "retry-after": "3", "grpc-retry-pushback-ms": "9" }), 9);
    assert.equal(pushback({ "retry-after": "3" }, Code.NotFound), undefined);
  });

  it("judges a fault of the connection by its cause, not by Connect's code", () => {
    const faulty = rpcClassifier({
      faultOf: (error) => {
        const { code } = error as { code?: unknown };
        return code === "ECONNRESET" ? "reset" : code === "ECONNREFUSED" ? "refused" : undefined;
      },
    });
    const socket = (code: string): Error => Object.assign(new Error("socket"), { code });
    const wrapped = (code: Code, cause: unknown): ConnectError =>
      new ConnectError("socket", code, undefined, undefined, new Error("between", { cause }));
    const reset = faulty.error(newCall(), wrapped(Code.Aborted, socket("ECONNRESET")));
    assert.deepEqual([reset.kind, reset.status, reset.neverStarted], ["retryable", "transport_reset", false]);
    const refused = faulty.error(newCall(), wrapped(Code.Unavailable, socket("ECONNREFUSED")));
    assert.deepEqual([refused.status, refused.neverStarted], ["transport_refused", true]);
    const raw = faulty.error(newCall(), socket("ECONNREFUSED"));
    assert.equal(raw.status, "transport_refused");
    const ring = new Error("ring");
    ring.cause = ring;
    assert.equal(faulty.error(newCall(), ring).kind, "failure");
  });

  it("believes the server, whatever an error carries as cause", () => {
    const error = wire(Code.NotFound);
    error.cause = new TransportError("refused", "not this one");
    assert.equal(plain.error(newCall(), error).status, "not_found");
  });

  it("knows a refused stream for one that never started", () => {
    const text = "http/2 stream closed with error code REFUSED_STREAM (0x7)";
    const refused = plain.error(newCall(), new ConnectError(text, Code.Unavailable));
    assert.deepEqual([refused.kind, refused.neverStarted], ["retryable", true]);
    const said = wire(Code.Unavailable);
    assert.equal(plain.error(newCall(), said).neverStarted, false);
  });

  it("knows the other resets of a stream for the server's doing", () => {
    const outcomes = (["ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"] as const).map(
      (name) => {
        const code = name === "ENHANCE_YOUR_CALM" ? Code.ResourceExhausted : Code.PermissionDenied;
        const text = `http/2 stream closed with error code ${name} (0xb)`;
        const { kind, status, neverStarted } = plain.error(newCall(), new ConnectError(text, code));
        return [kind, status, neverStarted];
      },
    );
    assert.deepEqual(outcomes, [
      ["rejected", "resource_exhausted", false],
      ["retryable", "transport_reset", false],
      ["retryable", "transport_reset", false],
    ]);
  });

  it("does not blame the server for a message that this side refused", () => {
    const error = new ConnectError(
      "message size 9 is larger than configured readMaxBytes 1",
      Code.ResourceExhausted,
    );
    const { kind, status } = plain.error(newCall(), error);
    assert.deepEqual([kind, status], ["success", "message_too_large"]);
  });

  it("keeps the verdict of the mesh's own refusals, also when they are wrapped", () => {
    const open = new MeshError("ERR_BREAKER_OPEN", "open");
    for (const error of [open, new ConnectError("open", Code.Unavailable, undefined, undefined, open)]) {
      const { kind, status, local } = plain.error(newCall(), error);
      assert.deepEqual([kind, status, local], ["rejected", "breaker_open", true]);
    }
  });
});
