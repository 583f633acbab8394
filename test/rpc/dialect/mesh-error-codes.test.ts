import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { Call } from "../../../src/core/call.ts";
import { isMeshError, MeshError, TransportError } from "../../../src/core/errors.ts";
import {
  callerError,
  connectErrorFromMeshError,
  meshErrorFromConnectError,
} from "../../../src/rpc/dialect/mesh-error-codes.ts";
import { outcomeOfRpcError } from "../../../src/rpc/dialect/rpc-outcome.ts";
import { wireError } from "../../../src/rpc/dialect/wire-error.ts";
import { connectErrorFromProblem, problemFromConnectError } from "../../../src/rpc/problem.ts";
import { EchoRequestSchema, EchoService } from "../../gen/test/v1/echo_pb.ts";
import { inProcessTransport } from "../client/mesh-client.ts";
import { errorOf, serveInProcess } from "../echo.ts";

function newCall(): Call {
  return new Call({ side: "client", protocol: "connect", service: "echo", operation: "a.B/C" });
}

function clientThatFails(error: unknown, protocol: "connect" | "grpc-web"): Client<typeof EchoService> {
  const { fetch } = serveInProcess({
    routes: (router) => router.service(EchoService, { echo: () => Promise.reject(error) }),
  });
  return createClient(EchoService, inProcessTransport(fetch, protocol).transport);
}

describe("connectErrorFromMeshError()", () => {
  it("maps the code and keeps the error as cause", () => {
    const cause = new MeshError("ERR_RATE_LIMITED", "too many", { retryAfterMs: 2_500 });
    const error = connectErrorFromMeshError(cause);
    assert.deepEqual(
      [error.code, error.rawMessage, error.cause],
      [Code.ResourceExhausted, "too many", cause],
    );
    assert.equal(error.metadata.get("grpc-retry-pushback-ms"), "2500");
    assert.equal(error.metadata.get("retry-after"), "3");
    assert.equal(meshErrorFromConnectError(error), cause);
  });

  it("forbids another attempt when there is no time that would do", () => {
    const error = connectErrorFromMeshError(
      new MeshError("ERR_RATE_LIMITED", "never", { retryAfterMs: Infinity }),
    );
    assert.equal(error.metadata.get("grpc-retry-pushback-ms"), "-1");
    assert.equal(error.metadata.get("retry-after"), null);
  });

  for (const protocol of ["connect", "grpc-web"] as const) {
    it(`survives the wire, by ${protocol}`, async () => {
      const thrown = new MeshError("ERR_PERMISSION_DENIED", "Cannot read: ☂ is private", {
        retryAfterMs: 40,
      });
      const received = await errorOf(clientThatFails(thrown, protocol).echo({}));
      assert.equal(received.code, Code.PermissionDenied);
      const error = meshErrorFromConnectError(received);
      assert.ok(isMeshError(error, "ERR_PERMISSION_DENIED"));
      assert.deepEqual([error.message, error.retryAfterMs, error.cause], [thrown.message, 40, received]);
    });
  }
});

describe("meshErrorFromConnectError()", () => {
  it("says nothing of errors that were never the mesh's", () => {
    assert.equal(meshErrorFromConnectError(new ConnectError("x", Code.NotFound)), undefined);
    const error = new ConnectError("x", Code.NotFound);
    // Another domain, an unknown reason, and no ErrorInfo at all.
    for (const value of [
      "\n\rERR_TRANSPORT\x12\x05other",
      "\n\x08ERR_NONE\x12\x0ddatapunk.mesh",
      "\x0a\xff",
    ]) {
      error.details = [
        { type: "google.rpc.ErrorInfo", value: Uint8Array.from(value, (c) => c.charCodeAt(0)) },
      ];
      assert.equal(meshErrorFromConnectError(error), undefined, JSON.stringify(value));
    }
  });
});

describe("callerError()", () => {
  it("leaves the server's error alone", () => {
    const error = new ConnectError("x", Code.DataLoss);
    assert.equal(callerError(newCall(), error), error);
  });

  it("says unavailable when a response broke off, though Connect takes it for the caller's fault", () => {
    const error = new ConnectError("protocol error: missing EndStreamResponse", Code.InvalidArgument);
    const shown = callerError(newCall(), error);
    assert.equal(shown.code, Code.Unavailable);
    const { kind, status, neverStarted } = outcomeOfRpcError(newCall(), shown, undefined);
    assert.deepEqual([kind, status, neverStarted], ["retryable", "transport_closed", false]);
    error.isWireError = true;
    assert.equal(callerError(newCall(), error), error);
  });

  it("calls whatever else went wrong unknown, with its cause", () => {
    const cause = new TypeError("undefined is not a function");
    const error = callerError(newCall(), cause);
    assert.deepEqual([error.code, error.rawMessage, error.cause], [Code.Unknown, cause.message, cause]);
  });

  it("turns what a cancelled transport throws into what the call was cancelled for", () => {
    const late = newCall();
    late.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "its deadline has passed"));
    const thrown = new ConnectError("This operation was aborted", Code.Canceled);
    assert.equal(callerError(late, thrown).code, Code.DeadlineExceeded);
    const own = newCall();
    const reason = new ConnectError("my own words", Code.Aborted);
    own.cancel(reason);
    assert.equal(callerError(own, thrown), reason);
  });
});

describe("wireError()", () => {
  it("keeps what the handler chose to say", () => {
    const cause = new Error("for the log");
    const error = new ConnectError("for the caller", Code.Internal, undefined, undefined, cause);
    assert.equal(wireError(newCall(), error), error);
    const speaking = new MeshError("ERR_INVALID_BODY", "Cannot use the body: it is no image");
    assert.equal(wireError(newCall(), speaking).rawMessage, speaking.message);
  });

  it("hides the text of faults behind this service, whatever wrapped them", () => {
    const fault = new TransportError("refused", "connect ECONNREFUSED 10.0.0.7:7101");
    for (const thrown of [fault, connectErrorFromMeshError(fault)]) {
      const error = wireError(newCall(), thrown);
      assert.deepEqual(
        [error.code, error.rawMessage],
        [Code.Unavailable, "a service behind this one is not available"],
      );
      assert.equal(error.cause, fault);
    }
    const config = wireError(newCall(), new MeshError("ERR_TLS_CONFIG", "Cannot read /etc/key.pem"));
    assert.deepEqual([config.code, config.rawMessage], [Code.Internal, "internal error"]);
  });

  it("hides everything of errors that nobody foresaw", () => {
    for (const thrown of [new Error("secret"), "secret", undefined]) {
      const error = wireError(newCall(), thrown);
      assert.deepEqual([error.code, error.rawMessage], [Code.Internal, "internal error"]);
    }
  });
});

describe("problemFromConnectError()", () => {
  it("loses nothing on the way to a problem and back", () => {
    const error = new ConnectError("no such dataset", Code.FailedPrecondition, { "x-hint": "create it" }, [
      { desc: EchoRequestSchema, value: { text: "detail" } },
    ]);
    error.details.push({ type: "other.Detail", value: new Uint8Array([1, 2, 3]) });
    const problem = JSON.parse(JSON.stringify(problemFromConnectError(error)));
    assert.deepEqual(
      [problem.type, problem.title, problem.status, problem.code, problem.detail],
      ["about:blank", "Bad Request", 400, "failed_precondition", "no such dataset"],
    );
    const back = connectErrorFromProblem(problem);
    assert.deepEqual([back.code, back.rawMessage], [error.code, error.rawMessage]);
    assert.equal(back.metadata.get("x-hint"), "create it");
    assert.equal(back.findDetails(EchoRequestSchema)[0]?.text, "detail");
    assert.deepEqual(JSON.parse(JSON.stringify(problemFromConnectError(back))), problem);
  });

  it("keeps every code apart, though several share a status", () => {
    for (let code = 1; code <= 16; code++) {
      const problem = problemFromConnectError(new ConnectError("", code));
      const back = connectErrorFromProblem(problem);
      assert.deepEqual([back.code, back.rawMessage], [code, ""]);
    }
  });
});

describe("connectErrorFromProblem()", () => {
  it("reads problems of the mesh and of strangers", () => {
    const limited = connectErrorFromProblem({
      status: 429,
      code: "ERR_RATE_LIMITED",
      detail: "slow down",
      retryAfterMs: 1500,
    });
    assert.deepEqual([limited.code, limited.rawMessage], [Code.ResourceExhausted, "slow down"]);
    assert.equal(meshErrorFromConnectError(limited)?.code, "ERR_RATE_LIMITED");
    assert.equal(meshErrorFromConnectError(limited)?.retryAfterMs, 1500);
    const plain = connectErrorFromProblem({ status: 404, title: "Not Found" });
    assert.deepEqual([plain.code, plain.rawMessage], [Code.NotFound, "Not Found"]);
  });

  it("ignores members that make no sense", () => {
    const error = connectErrorFromProblem({
      status: 503,
      code: 7,
      detail: ["x"],
      details: [{ type: 1 }],
      metadata: { "not a header": "x", fine: "y", number: 3 },
      retryAfterMs: -1,
    });
    assert.deepEqual([error.code, error.rawMessage, error.details], [Code.Unavailable, "", []]);
    assert.deepEqual([...error.metadata], [["fine", "y"]]);
  });
});
