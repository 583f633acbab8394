import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call } from "../../src/core/call.ts";
import { MeshError, TransportError } from "../../src/core/errors.ts";
import type { Outcome } from "../../src/core/outcome.ts";
import { protect } from "../../src/core/service.ts";
import {
  endsItsCall,
  httpClassifier,
  outcomeOfError,
  outcomeOfStatus,
} from "../../src/http/status-outcome.ts";
import { retry } from "../../src/policy/retry.ts";

function newCall(): Call {
  return new Call({ side: "client", protocol: "rest", service: "lake", operation: "GET" });
}

function outcomeOf(status: number, headers: Record<string, string> = {}): Outcome {
  return outcomeOfStatus(status, new Headers(headers));
}

describe("the outcome of an HTTP exchange", () => {
  it("takes everything below 500 for the server's success, but for 429", () => {
    for (const [status, name] of [
      [200, "ok"],
      [201, "ok"],
      [304, "http_304"],
      [400, "http_400"],
      [404, "http_404"],
      [499, "http_499"],
    ] as const) {
      assert.deepEqual([outcomeOf(status).kind, outcomeOf(status).status], ["success", name]);
    }
    assert.deepEqual([outcomeOf(429).kind, outcomeOf(429).status], ["rejected", "http_429"]);
  });

  it("tells the failures that pass from those that stay", () => {
    for (const status of [502, 503, 504]) assert.equal(outcomeOf(status).kind, "retryable");
    for (const status of [500, 501, 505, 507, 511]) assert.equal(outcomeOf(status).kind, "failure");
  });

  it("never claims that a request with a response has not started, or that we refused it ourselves", () => {
    for (const status of [429, 500, 503]) {
      assert.equal(outcomeOf(status).neverStarted, false);
      assert.equal(outcomeOf(status).local, false);
    }
  });

  it("reads the pushback of refusals and passing failures, and of nothing else", () => {
    for (const status of [429, 502, 503, 504]) {
      assert.equal(outcomeOf(status, { "retry-after": "2" }).pushbackMs, 2_000);
      assert.equal(outcomeOf(status).pushbackMs, undefined);
    }
    assert.equal(outcomeOf(500, { "retry-after": "2" }).pushbackMs, undefined);
  });

  it("falls with the body, unless retry has something to decide", () => {
    for (const status of [200, 404]) assert.equal(endsItsCall(status), false);
    for (const status of [429, 500, 503]) assert.equal(endsItsCall(status), true);
  });

  it("goes by the kind of an error, and knows which requests never started", () => {
    const call = newCall();
    const refused = outcomeOfError(call, new TransportError("refused", "no one there"));
    assert.deepEqual(
      [refused.kind, refused.status, refused.neverStarted],
      ["retryable", "transport_refused", true],
    );
    const reset = outcomeOfError(call, new TransportError("reset", "gone"));
    assert.deepEqual([reset.kind, reset.neverStarted], ["retryable", false]);
    assert.equal(outcomeOfError(call, new MeshError("ERR_BREAKER_OPEN", "open")).local, true);
    assert.equal(outcomeOfError(call, new Error("whatever")).kind, "retryable");
  });

  it("distinguishes a deadline that passed from a caller that lost interest, whatever the error looks like", () => {
    const late = newCall();
    late.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "late"));
    assert.equal(outcomeOfError(late, new Error("aborted")).status, "deadline_exceeded");
    const unwanted = newCall();
    unwanted.cancel();
    assert.equal(outcomeOfError(unwanted, new TransportError("reset", "gone")).kind, "cancelled");
  });
});

describe("httpClassifier", () => {
  it("has a wrapped fetch repeated by its status, as the mesh's own clients are", async () => {
    const statuses = [503, 404];
    const load = protect(
      retry({ backoff: () => 0 }),
      () => Promise.resolve(new Response(null, { status: statuses.shift() ?? 200 })),
      { classifier: httpClassifier },
    );
    assert.equal((await load(undefined)).status, 404);
    assert.deepEqual(statuses, []);
  });
});
