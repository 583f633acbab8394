import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call } from "../../../src/core/call.ts";
import { type FaultOf, MeshError, TransportError } from "../../../src/core/errors.ts";
import { type Outcome, ok } from "../../../src/core/outcome.ts";
import { withHttpStatus } from "../../../src/rpc/client/http-status.ts";
import { outcomeOfCode, outcomeOfRpcError, rpcClassifier } from "../../../src/rpc/dialect/rpc-outcome.ts";

function newCall(): Call {
  return new Call({ side: "client", protocol: "grpc", service: "echo", operation: "a.B/C" });
}

/** An error as the server sent it. */
function wire(code: Code, metadata?: HeadersInit): ConnectError {
  const error = new ConnectError("said the server", code, metadata);
  error.isWireError = true;
  return error;
}

function outcomeOf(call: Call, error: unknown, faultOf?: FaultOf): Outcome {
  return outcomeOfRpcError(call, error, faultOf);
}

describe("the outcome of an RPC", () => {
  it("knows which codes are the caller's, the server's, or of the moment", () => {
    const outcomes: Record<string, string[]> = {};
    for (let code = 1; code <= 16; code++) {
      const { kind, status } = outcomeOf(newCall(), wire(code));
      outcomes[kind] = [...(outcomes[kind] ?? []), status];
    }
    assert.deepEqual(outcomes, {
      cancelled: ["canceled"],
      failure: ["internal", "data_loss"],
      success: [
        "unknown",
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

  it("takes a cancelled call for cancelled, and a server's own CANCELLED and UNKNOWN for no fault of the endpoint", () => {
    const call = newCall();
    const { kind, status } = outcomeOf(call, wire(Code.Canceled));
    assert.deepEqual([kind, status], ["cancelled", "canceled"]);
    assert.equal(outcomeOf(call, wire(Code.Unknown)).kind, "success");
    call.cancel();
    assert.equal(outcomeOf(call, wire(Code.Unavailable)).kind, "cancelled");
    const late = newCall();
    late.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "late"));
    assert.equal(outcomeOf(late, new ConnectError("aborted", Code.Canceled)).status, "deadline_exceeded");
  });

  it("reads the server's word on the next attempt", () => {
    const pushback = (metadata: HeadersInit, code = Code.Unavailable): number | undefined =>
      outcomeOf(newCall(), wire(code, metadata)).pushbackMs;
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

  it("takes a fault of the connection by its cause, not by Connect's code", () => {
    const faultOf: FaultOf = (error) => {
      const { code } = error as { code?: unknown };
      return code === "ECONNRESET" ? "reset" : code === "ECONNREFUSED" ? "refused" : undefined;
    };
    const socket = (code: string): Error => Object.assign(new Error("socket"), { code });
    const wrapped = (code: Code, cause: unknown): ConnectError =>
      new ConnectError("socket", code, undefined, undefined, new Error("between", { cause }));
    const reset = outcomeOf(newCall(), wrapped(Code.Aborted, socket("ECONNRESET")), faultOf);
    assert.deepEqual([reset.kind, reset.status, reset.neverStarted], ["retryable", "transport_reset", false]);
    const refused = outcomeOf(newCall(), wrapped(Code.Unavailable, socket("ECONNREFUSED")), faultOf);
    assert.deepEqual([refused.status, refused.neverStarted], ["transport_refused", true]);
    const raw = outcomeOf(newCall(), socket("ECONNREFUSED"), faultOf);
    assert.equal(raw.status, "transport_refused");
    const ring = new Error("ring");
    ring.cause = ring;
    assert.equal(outcomeOf(newCall(), ring, faultOf).kind, "failure");
  });

  it("believes the server, whatever an error carries as cause", () => {
    const error = wire(Code.NotFound);
    error.cause = new TransportError("refused", "not this one");
    assert.equal(outcomeOf(newCall(), error).status, "not_found");
  });

  it("knows a refused stream for one that never started", () => {
    const text = "http/2 stream closed with error code REFUSED_STREAM (0x7)";
    const refused = outcomeOf(newCall(), new ConnectError(text, Code.Unavailable));
    assert.deepEqual([refused.kind, refused.neverStarted], ["retryable", true]);
    const said = wire(Code.Unavailable);
    assert.equal(outcomeOf(newCall(), said).neverStarted, false);
  });

  it("knows the other resets of a stream for the server's doing", () => {
    const outcomes = (["ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"] as const).map(
      (name) => {
        const code = name === "ENHANCE_YOUR_CALM" ? Code.ResourceExhausted : Code.PermissionDenied;
        const text = `http/2 stream closed with error code ${name} (0xb)`;
        const { kind, status, neverStarted } = outcomeOf(newCall(), new ConnectError(text, code));
        return [kind, status, neverStarted];
      },
    );
    assert.deepEqual(outcomes, [
      ["rejected", "resource_exhausted", false],
      ["retryable", "transport_reset", false],
      ["retryable", "transport_reset", false],
    ]);
  });

  it("does not count a message that this side refused against the server", () => {
    const error = new ConnectError(
      "message size 9 is larger than configured readMaxBytes 1",
      Code.ResourceExhausted,
    );
    const { kind, status } = outcomeOf(newCall(), error);
    assert.deepEqual([kind, status], ["success", "message_too_large"]);
  });

  it("believes the HTTP status of a response that is none of the protocol's: 5xx is a failure, 429 a refusal", () => {
    const statuses = ([500, 429, 302] as const).map((status) => {
      const code = status === 429 ? Code.Unavailable : Code.Unknown;
      const marked = withHttpStatus(wire(code, { "retry-after": "2" }), status);
      const connect = new ConnectError(`HTTP ${status}`, code, { "retry-after": "2" });
      return [marked, connect].map((error) => {
        const { kind, local, pushbackMs } = outcomeOf(newCall(), error);
        return [kind, local, pushbackMs];
      });
    });
    assert.deepEqual(statuses.slice(0, 2), [
      [
        ["failure", false, 2_000],
        ["failure", false, 2_000],
      ],
      [
        ["rejected", false, 2_000],
        ["rejected", false, 2_000],
      ],
    ]);
    assert.equal(statuses[2]?.[0]?.[0], "success");
  });

  it("does not count what was thrown on this side against the endpoint", () => {
    const { kind, local } = outcomeOf(newCall(), new ConnectError("a bug of ours", Code.Unknown));
    assert.deepEqual([kind, local], ["failure", true]);
  });

  it("keeps the outcome of the mesh's own refusals, also when they are wrapped", () => {
    const open = new MeshError("ERR_BREAKER_OPEN", "open");
    for (const error of [open, new ConnectError("open", Code.Unavailable, undefined, undefined, open)]) {
      const { kind, status, local } = outcomeOf(newCall(), error);
      assert.deepEqual([kind, status, local], ["rejected", "breaker_open", true]);
    }
  });
});

describe("rpcClassifier", () => {
  it("tells what a call of a Connect client came to by its code", () => {
    const call = newCall();
    assert.equal(rpcClassifier.response(call, {}), ok);
    assert.equal(rpcClassifier.error(call, new ConnectError("busy", Code.Unavailable)).kind, "retryable");
    assert.equal(rpcClassifier.error(call, new ConnectError("none", Code.NotFound)).kind, "success");
  });
});
