import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call, type CallInit } from "../../src/core/call.ts";
import { parseTraceparent, readContext, writeContext } from "../../src/telemetry/propagation.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const clock = new VirtualClock();

function callOf(init: Partial<CallInit> = {}): Call {
  return new Call({ side: "client", protocol: "rest", service: "lake", operation: "GET /datasets", ...init });
}

function written(call: Call): Record<string, string> {
  const headers: Record<string, string> = {};
  writeContext(
    call,
    (name, value) => {
      headers[name] = value;
    },
    clock,
  );
  return headers;
}

describe("writeContext", () => {
  it("starts a trace and a request id where there are none, shared by all attempts", () => {
    const call = callOf();
    const first = written(call.fork(1));
    const second = written(call.fork(2));
    assert.deepEqual(Object.keys(first).sort(), ["traceparent", "x-request-id"]);
    assert.equal(first["x-request-id"], second["x-request-id"]);
    const [one, two] = [parseTraceparent(first.traceparent!), parseTraceparent(second.traceparent!)];
    assert.equal(one?.traceId, two?.traceId);
    assert.notEqual(one?.parentId, two?.parentId);
    assert.equal(second["mesh-attempt"], "2");
  });

  it("goes on with the trace and the request id of the call it serves", () => {
    const served = new Call({ side: "server", protocol: "grpc", service: "gateway", operation: "x.Y/Z" });
    served.requestId = "req-1";
    served.traceparent = traceparent;
    served.tracestate = "a=1";
    const headers = written(callOf({ parent: served }).fork(1));
    assert.equal(headers["x-request-id"], "req-1");
    assert.equal(headers.tracestate, "a=1");
    assert.equal(parseTraceparent(headers.traceparent!)?.traceId, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert.notEqual(headers.traceparent, traceparent);
  });

  it("leaves the parent id of the attempt on the attempt, and not on the call", () => {
    const call = callOf();
    const attempt = call.fork(1);
    const headers = written(attempt);
    assert.equal(attempt.traceparent, headers.traceparent);
    assert.notEqual(call.traceparent, headers.traceparent);
    assert.equal(
      parseTraceparent(call.traceparent)?.traceId,
      parseTraceparent(headers.traceparent!)?.traceId,
    );
  });

  it("says how much time remains, to REST only, rounded so that it is never 0 too early", () => {
    const now = clock.now();
    assert.equal(written(callOf({ deadline: now + 1499.2 }))["mesh-timeout-ms"], "1500");
    assert.equal(written(callOf({ deadline: now - 5 }))["mesh-timeout-ms"], "0");
    assert.equal(written(callOf({ deadline: now + 1e15 }))["mesh-timeout-ms"], "9999999999");
    assert.equal(written(callOf())["mesh-timeout-ms"], undefined);
    assert.equal(written(callOf({ deadline: now + 1499, protocol: "grpc" }))["mesh-timeout-ms"], undefined);
  });

  it("says priority when there is one, and that nobody below may retry when somebody above does", () => {
    const call = callOf({ priority: 3 });
    assert.equal(written(call)["mesh-priority"], "3");
    assert.equal(written(call)["mesh-retry"], undefined);
    call.retryOwnedUpstream = true;
    assert.equal(written(call.fork(1))["mesh-retry"], "never");
  });
});

describe("readContext", () => {
  it("reads what writeContext wrote", () => {
    const call = callOf({ priority: 2, deadline: clock.now() + 250 });
    call.retryOwnedUpstream = true;
    call.traceparent = traceparent;
    call.tracestate = "a=1";
    const headers = new Headers(written(call.fork(3)));
    assert.deepEqual(readContext(headers), {
      requestId: call.requestId,
      traceparent: headers.get("traceparent"),
      tracestate: "a=1",
      attempt: 3,
      priority: 2,
      retryOwnedUpstream: true,
      timeoutMs: 250,
    });
  });

  it("takes what is malformed as absent", () => {
    const context = readContext(
      new Headers({
        traceparent: "00-zz-00-01",
        tracestate: "a=1",
        "mesh-attempt": "-1",
        "mesh-priority": "high",
        "mesh-retry": "always",
        "mesh-timeout-ms": "12345678901",
      }),
    );
    assert.deepEqual(context, {
      requestId: undefined,
      traceparent: "",
      tracestate: "",
      attempt: 1,
      priority: 0,
      retryOwnedUpstream: false,
      timeoutMs: undefined,
    });
  });

  it("writes a traceparent of a later version down to version 00", () => {
    const later = new Headers({ traceparent: `cc${traceparent.slice(2)}-extra` });
    assert.equal(readContext(later).traceparent, traceparent);
  });

  it("has no place for identities", () => {
    const context = readContext(
      new Headers({
        "x-forwarded-client-cert": "URI=spiffe://a/b",
        "x-user": "root",
        "mesh-principal": "root",
      }),
    );
    assert.ok(!JSON.stringify(context).includes("root"));
    assert.ok(!JSON.stringify(context).includes("spiffe"));
  });
});
