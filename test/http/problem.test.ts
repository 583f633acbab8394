import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { HTTPException } from "hono/http-exception";
import { MeshError, TransportError } from "../../src/core/errors.ts";
import {
  errorFromProblem,
  isProblemError,
  type Problem,
  ProblemError,
  problemFromError,
} from "../../src/http/problem.ts";

describe("problemFromError()", () => {
  it("gives a mesh error its status, code and message", () => {
    assert.deepEqual(
      problemFromError(new MeshError("ERR_ROUTE_UNKNOWN", "There is nothing at /x"), { instance: "req-1" }),
      {
        type: "about:blank",
        title: "Not Found",
        status: 404,
        detail: "There is nothing at /x",
        instance: "req-1",
        code: "ERR_ROUTE_UNKNOWN",
      },
    );
  });

  it("says when to come back", () => {
    const error = new MeshError("ERR_RATE_LIMITED", "slow down", { retryAfterMs: 570 });
    assert.equal(problemFromError(error).retryAfterMs, 570);
  });

  it("says nothing about an unknown error, nor about what is no error", () => {
    for (const thrown of [
      new Error("password is hunter2"),
      new TypeError("x"),
      "hunter2",
      undefined,
      { status: 404 },
    ]) {
      assert.deepEqual(problemFromError(thrown), {
        type: "about:blank",
        title: "Internal Server Error",
        status: 500,
      });
    }
  });

  it("hides the messages of server-side faults where it must not expose them, and keeps their codes", () => {
    const fault = new TransportError("refused", "Cannot reach https://10.0.0.7:7101");
    assert.equal(problemFromError(fault).detail, "Cannot reach https://10.0.0.7:7101");
    assert.deepEqual(problemFromError(fault, { expose: false }), {
      type: "about:blank",
      title: "Service Unavailable",
      status: 503,
      code: "ERR_TRANSPORT",
    });
    const refusal = new MeshError("ERR_INVALID_BODY", "The name is missing");
    assert.equal(problemFromError(refusal, { expose: false }).detail, "The name is missing");
  });

  it("reads an RPC error of any copy of Connect by its number", () => {
    const body = problemFromError(new ConnectError("no such dataset", Code.NotFound), { expose: false });
    assert.deepEqual([body.status, body.code, body.detail], [404, "not_found", "no such dataset"]);
    const internal = problemFromError(new ConnectError("stack", Code.Internal), { expose: false });
    assert.deepEqual([internal.status, internal.code, internal.detail], [500, "internal", undefined]);
    const foreign = Object.assign(new Error("[x] y"), { name: "ConnectError", code: 8, rawMessage: "y" });
    assert.deepEqual([problemFromError(foreign).status, problemFromError(foreign).detail], [429, "y"]);
    const odd = Object.assign(new Error("y"), { name: "ConnectError", code: 99 });
    assert.equal(problemFromError(odd).status, 500);
  });

  it("reads Hono's exception by its status, and no other library's", () => {
    const body = problemFromError(new HTTPException(409, { message: "exists" }));
    assert.deepEqual([body.status, body.detail, body.code], [409, "exists", undefined]);
    const foreign = Object.assign(new Error("bucket lake-prod missing"), { status: 404 });
    assert.equal(problemFromError(foreign).status, 500);
  });

  it("takes an application's own problem as it is", () => {
    const own: Problem = {
      type: "https://example.com/gone",
      title: "Deleted",
      status: 410,
      dataset: "flights",
    };
    assert.deepEqual(problemFromError(new ProblemError(own), { instance: "r" }), { ...own, instance: "r" });
  });
});

describe("errorFromProblem()", () => {
  it("loses nothing on the way there and back", () => {
    const bodies: Problem[] = [
      { type: "about:blank", title: "Not Found", status: 404 },
      {
        type: "https://example.com/quota",
        title: "Quota used up",
        status: 429,
        detail: "100 a minute",
        instance: "req-7",
        code: "ERR_RATE_LIMITED",
        retryAfterMs: 570,
        violations: [{ pointer: "/name", detail: "is missing" }],
        balance: 30,
        nested: { accounts: ["/1", "/2"] },
      },
    ];
    for (const body of bodies) {
      assert.deepEqual(problemFromError(errorFromProblem(body, body.status)), body);
    }
  });

  it("gives an error that says what the server said", () => {
    const error = errorFromProblem({ title: "No", detail: "Not now", retryAfterMs: 5 }, 503);
    assert.ok(isProblemError(error));
    assert.deepEqual(
      [error.code, error.status, error.message, error.retryAfterMs],
      ["ERR_HTTP_STATUS", 503, "Not now", 5],
    );
  });

  it("makes a plain problem of a body that is none, and ignores members of the wrong type", () => {
    for (const body of [undefined, null, "oops", 7, [], {}]) {
      assert.deepEqual(errorFromProblem(body, 502).problem, {
        type: "about:blank",
        title: "Bad Gateway",
        status: 502,
      });
    }
    const wrong = { title: 7, status: "200", detail: {}, code: 3, retryAfterMs: "soon", violations: "many" };
    assert.deepEqual(errorFromProblem(wrong, 400).problem, {
      type: "about:blank",
      title: "Bad Request",
      status: 400,
    });
  });

  it("believes the status of the response, which proxies do not rewrite", () => {
    assert.equal(errorFromProblem({ status: 200 }, 503).status, 503);
  });

  it("is not misled by members with the names of an object's own machinery", () => {
    const body = JSON.parse('{"__proto__": {"status": 1}, "constructor": "x", "title": "T"}');
    const { problem } = errorFromProblem(body, 418);
    assert.equal(problem.status, 418);
    assert.equal(Object.getPrototypeOf(problem), Object.prototype);
  });
});
