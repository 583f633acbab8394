import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pushbackFrom } from "../../src/http/pushback.ts";

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
    const headers = new Headers({ "retry-after": "Wed, 21 Oct 2015 07:28:05 GMT" });
    const now = Date.parse("Wed, 21 Oct 2015 07:27:00 GMT");
    assert.equal(
      pushbackFrom(headers, () => now),
      65_000,
    );
    assert.equal(pushbackFrom(headers), 0);
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

  it("reads gRPC's own header first, in milliseconds, and takes a negative one for a no", () => {
    assert.equal(from({ "grpc-retry-pushback-ms": "250", "retry-after": "3" }), 250);
    for (const value of ["-1", "soon", "", "1.5"]) {
      assert.equal(from({ "grpc-retry-pushback-ms": value, "retry-after": "3" }), Infinity, value);
    }
  });

  it("prefers Retry-After to RateLimit", () => {
    assert.equal(from({ "retry-after": "1", ratelimit: '"default";r=0;t=30' }), 1_000);
  });
});
