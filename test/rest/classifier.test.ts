import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call } from "../../src/core/call.ts";
import { pending } from "../../src/core/classifier.ts";
import { MeshError, TransportError } from "../../src/core/errors.ts";
import { pushbackFrom } from "../../src/http/status-outcome.ts";
import { httpClassifier } from "../../src/rest/classifier.ts";

function newCall(): Call {
  return new Call({ side: "client", protocol: "rest", service: "lake", operation: "GET" });
}

/** The verdict on an answer whose body needs no waiting for. */
function outcomeOf(status: number, headers: Record<string, string> = {}) {
  const outcome = httpClassifier.response(newCall(), Response.json(null, { status, headers }));
  if (outcome === pending) throw new Error("The verdict is pending");
  return outcome;
}

describe("httpClassifier", () => {
  it("takes everything below 500 for the server's success, but for 429", () => {
    for (const [status, name] of [
      [200, "ok"],
      [201, "ok"],
      [304, "http_304"],
      [400, "http_400"],
      [404, "http_404"],
      [499, "http_499"],
    ] as const) {
      const response = status === 304 ? new Response(null, { status }) : Response.json(null, { status });
      const outcome = httpClassifier.response(newCall(), response);
      assert.ok(outcome !== pending);
      assert.deepEqual([outcome.kind, outcome.status], ["success", name]);
    }
    assert.deepEqual([outcomeOf(429).kind, outcomeOf(429).status], ["rejected", "http_429"]);
  });

  it("tells the failures that pass from those that stay", () => {
    for (const status of [502, 503, 504]) assert.equal(outcomeOf(status).kind, "retryable");
    for (const status of [500, 501, 505, 507, 511]) assert.equal(outcomeOf(status).kind, "failure");
  });

  it("never claims that a request which was answered has not started, or that we refused it ourselves", () => {
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

  it("waits with the verdict while the body comes, unless retry has something to decide", () => {
    const answer = (status: number, settled: boolean) => ({
      status,
      settled,
      headers: new Headers(),
      body: null,
      text: async () => "",
      json: async () => null,
      bytes: async () => new Uint8Array(0),
    });
    for (const status of [200, 404]) {
      assert.equal(httpClassifier.response(newCall(), answer(status, false)), pending);
      assert.notEqual(httpClassifier.response(newCall(), answer(status, true)), pending);
    }
    for (const status of [429, 500, 503]) {
      assert.notEqual(httpClassifier.response(newCall(), answer(status, false)), pending);
    }
  });

  it("judges errors by their kind, and knows which requests never started", () => {
    const call = newCall();
    const refused = httpClassifier.error(call, new TransportError("refused", "no one there"));
    assert.deepEqual(
      [refused.kind, refused.status, refused.neverStarted],
      ["retryable", "transport_refused", true],
    );
    const reset = httpClassifier.error(call, new TransportError("reset", "gone"));
    assert.deepEqual([reset.kind, reset.neverStarted], ["retryable", false]);
    assert.equal(httpClassifier.error(call, new MeshError("ERR_BREAKER_OPEN", "open")).local, true);
    assert.equal(httpClassifier.error(call, new Error("whatever")).kind, "retryable");
  });

  it("tells a deadline that passed from a caller that lost interest, whatever the error looks like", () => {
    const late = newCall();
    late.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "late"));
    assert.equal(httpClassifier.error(late, new Error("aborted")).status, "deadline_exceeded");
    const unwanted = newCall();
    unwanted.cancel();
    assert.equal(httpClassifier.error(unwanted, new TransportError("reset", "gone")).kind, "cancelled");
  });
});

describe("pushbackFrom()", () => {
  const from = (headers: Record<string, string>): number | undefined => pushbackFrom(new Headers(headers));

  it("reads seconds", () => {
    assert.equal(from({ "retry-after": "0" }), 0);
    assert.equal(from({ "retry-after": " 120 " }), 120_000);
  });

  it("reads a date, against the server's own clock", () => {
    const headers = { "retry-after": "Wed, 21 Oct 2015 07:28:05 GMT", date: "Wed, 21 Oct 2015 07:28:00 GMT" };
    assert.equal(from(headers), 5_000);
    assert.equal(from({ ...headers, date: "Wed, 21 Oct 2015 07:29:00 GMT" }), 0);
  });

  it("reads a date against our clock when the server does not tell its own", () => {
    const wait = from({ "retry-after": new Date(Date.now() + 3_600_000).toUTCString() });
    assert.ok(wait !== undefined && wait > 3_500_000 && wait <= 3_600_000, String(wait));
  });

  it("takes what makes no sense for a no", () => {
    for (const value of ["-5", "1.5", "soon", "", "1e3", "5s", "NaN", "Infinity"]) {
      assert.equal(from({ "retry-after": value }), Infinity, value);
    }
  });

  it("reads the renewal of a spent rate limit, the longest of several", () => {
    assert.equal(from({ ratelimit: '"default";r=0;t=30' }), 30_000);
    assert.equal(from({ ratelimit: '"minute";r=0;t=30, "day"; r=0; t=3600' }), 3_600_000);
    assert.equal(from({ ratelimit: '"minute";r=0;t=-3' }), Infinity);
  });

  it("sees no pushback in a rate limit that is not spent, or does not say when it is renewed", () => {
    assert.equal(from({ ratelimit: '"default";r=50;t=30' }), undefined);
    assert.equal(from({ ratelimit: '"default";r=0' }), undefined);
    assert.equal(from({}), undefined);
  });

  it("prefers Retry-After", () => {
    assert.equal(from({ "retry-after": "1", ratelimit: '"default";r=0;t=30' }), 1_000);
  });
});
