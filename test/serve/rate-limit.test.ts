import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { staticTokens } from "../../src/security/static-tokens.ts";
import { connectionFrom, peerNamed, problemOf, serverFixture } from "../hono/fixture.ts";
import { metricValue } from "../support/metric-value.ts";

const auth = { validate: staticTokens({ "token-a": "ann", "token-b": "bob" }) };
const asAnn = { headers: { authorization: "Bearer token-a" } };
const asBob = { headers: { authorization: "Bearer token-b" } };

describe("the rate limit", () => {
  it("is per principal, wherever it calls from, and responds with 429 and the fields that say so", async () => {
    const { app, count, metrics, clock } = serverFixture({ auth, rateLimit: { perMinute: 60, burst: 2 } });
    app.get("/", (c) => c.text("ok"));
    const statuses = async (init: RequestInit, address: string): Promise<number> =>
      (await app.request("/", init, connectionFrom(address))).status;
    assert.equal(await statuses(asAnn, "10.0.0.1"), 200);
    assert.equal(await statuses(asAnn, "10.0.0.2"), 200);
    const refused = await app.request("/", asAnn, connectionFrom("10.0.0.3"));
    assert.equal(refused.headers.get("retry-after"), "1");
    assert.equal(refused.headers.get("ratelimit-policy"), '"default";q=60;w=60');
    assert.equal(refused.headers.get("ratelimit"), '"default";r=0;t=2');
    const problem = await problemOf(refused);
    assert.deepEqual([problem.status, problem.code, problem.retryAfterMs], [429, "ERR_RATE_LIMITED", 1000]);
    assert.equal(
      problem.detail,
      'Cannot accept the call: the limit of 60 in 60 s for "ann" (option server.rateLimit) is used up; try again in 1000 ms',
    );
    assert.equal(await statuses(asBob, "10.0.0.1"), 200);
    await clock.advance(1_000);
    assert.equal(await statuses(asAnn, "10.0.0.1"), 200);
    assert.equal(await count({ outcome: "rate_limited" }), 1);
    assert.equal(await metricValue(metrics, "mesh_server_rejected_total", { reason: "rate_limited" }), 1);
  });

  it("is per address without a principal; an IPv6 subscriber is one client", async () => {
    const { app } = serverFixture({ rateLimit: { perMinute: 60, burst: 1 } });
    app.get("/", (c) => c.text("ok"));
    const statusFrom = async (address: string): Promise<number> =>
      (await app.request("/", {}, connectionFrom(address))).status;
    assert.equal(await statusFrom("10.0.0.1"), 200);
    assert.equal(await statusFrom("10.0.0.1"), 429);
    // Where a proxy is in front, the address is its own: none of the caller's business.
    const { detail } = await problemOf(await app.request("/", {}, connectionFrom("10.0.0.1")));
    assert.match(String(detail), /for this address \(option server\.rateLimit\)/);
    assert.equal(await statusFrom("10.0.0.2"), 200);
    assert.equal(await statusFrom("::ffff:10.0.0.2"), 429);
    assert.equal(await statusFrom("2001:db8:1:2::7"), 200);
    assert.equal(await statusFrom("2001:DB8:1:2:ffff:1:2:3"), 429);
    assert.equal(await statusFrom("2001:db8:1:3::7"), 200);
  });

  it("is apart for names of tokens, of certificates and of addresses that are the same", async () => {
    const validate = staticTokens({ "token-c": "10.0.0.1", "token-d": "lake" });
    const { app } = serverFixture({
      auth: { validate, required: false },
      rateLimit: { perMinute: 60, burst: 1 },
    });
    app.get("/", (c) => c.text("ok"));
    const statusOf = async (token: string, peer?: string): Promise<number> => {
      const init = token === "" ? {} : { headers: { authorization: `Bearer ${token}` } };
      const connection = connectionFrom("10.0.0.1", peer === undefined ? undefined : peerNamed(peer));
      return (await app.request("/", init, connection)).status;
    };
    assert.deepEqual([await statusOf("token-c"), await statusOf("token-c")], [200, 429]);
    assert.deepEqual([await statusOf(""), await statusOf("")], [200, 429]);
    assert.deepEqual([await statusOf("token-d"), await statusOf("token-d")], [200, 429]);
    assert.deepEqual([await statusOf("", "lake"), await statusOf("", "lake")], [200, 429]);
  });

  it("takes clients without an address for one, whatever their headers say", async () => {
    const { app } = serverFixture({ rateLimit: { perMinute: 60, burst: 1 } });
    app.get("/", (c) => c.text("ok"));
    assert.equal((await app.request("/", { headers: { "x-forwarded-for": "1.1.1.1" } })).status, 200);
    assert.equal((await app.request("/", { headers: { "x-forwarded-for": "2.2.2.2" } })).status, 429);
  });

  it("believes no header field that names an address, on no platform, unless it is told to", async () => {
    const fields = ["cf-connecting-ip", "x-real-ip", "x-forwarded-for", "forwarded", "true-client-ip"];
    const { app } = serverFixture({ rateLimit: { perMinute: 60, burst: 1 } });
    app.get("/", (c) => c.text("ok"));
    const statusFrom = async (address: string): Promise<number> =>
      (await app.request("/", { headers: fields.map((field): [string, string] => [field, address]) })).status;
    assert.equal(await statusFrom("1.1.1.1"), 200);
    assert.equal(await statusFrom("2.2.2.2"), 429);
    assert.equal(await statusFrom("2001:db8:1:2::7"), 429);
  });

  it("is per address in the field that it is told to believe", async () => {
    const limit = { perMinute: 60, burst: 1 };
    for (const limits of [{ rateLimit: limit }, { peerLimit: limit }]) {
      const { app } = serverFixture({ ...limits, clientAddressHeader: "CF-Connecting-IP" });
      app.get("/", (c) => c.text("ok"));
      const statusFrom = async (address: string): Promise<number> =>
        (await app.request("/", { headers: { "cf-connecting-ip": address } }, connectionFrom("10.0.0.1")))
          .status;
      assert.equal(await statusFrom("1.1.1.1"), 200);
      assert.equal(await statusFrom("1.1.1.1"), 429);
      assert.equal(await statusFrom("2.2.2.2"), 200);
      assert.equal(await statusFrom("2001:db8:1:2::7"), 200);
      assert.equal(await statusFrom("2001:db8:1:2::8"), 429);
    }
  });

  it("takes for one client all in whose field there is anything but one address", async () => {
    const { app } = serverFixture({
      rateLimit: { perMinute: 60, burst: 1 },
      clientAddressHeader: "x-real-ip",
    });
    app.get("/", (c) => c.text("ok"));
    assert.equal((await app.request("/", {}, connectionFrom("10.0.0.1"))).status, 200);
    const names = [
      "unknown",
      "1.1.1.256",
      "1.1.1",
      "1.1.1.1.",
      "1.1.1.1, 2.2.2.2",
      "1.1.1.1:80",
      "::g",
      ":",
      "1::2::3",
    ];
    for (const name of [...names, `::${"1".repeat(50)}`, "[::1]", "::1]/x"]) {
      const response = await app.request("/", { headers: { "x-real-ip": name } });
      assert.equal(response.status, 429, name);
    }
    assert.throws(
      () => serverFixture({ clientAddressHeader: "x real ip" }),
      /clientAddressHeader is "x real ip"/,
    );
    assert.throws(() => serverFixture({ clientAddressHeader: true as never }), TypeError);
  });

  it("does not hold by default for a peer with a verified certificate, and does when it is set", async () => {
    const statusesOf = async (options: Parameters<typeof serverFixture>[0]): Promise<Set<number>> => {
      const { app } = serverFixture(options);
      app.get("/", (c) => c.text("ok"));
      const seen = new Set<number>();
      for (let request = 0; request < 200; request++) {
        seen.add((await app.request("/", {}, connectionFrom("10.0.0.1", peerNamed("lake")))).status);
      }
      return seen;
    };
    assert.deepEqual(await statusesOf({ rateLimit: undefined as never }), new Set([200]));
    assert.deepEqual(await statusesOf({ rateLimit: {} }), new Set([200, 429]));
  });

  it("is 100 a minute with bursts of 20 by default", async () => {
    const { app, clock } = serverFixture({ rateLimit: {} });
    app.get("/", (c) => c.text("ok"));
    const burst = async (): Promise<number> => {
      let passed = 0;
      while ((await app.request("/")).status === 200) passed++;
      return passed;
    };
    assert.equal(await burst(), 20);
    await clock.advance(3_000);
    assert.equal(await burst(), 5);
  });

  it("of peers bounds the guessing of tokens", async () => {
    const { app } = serverFixture({ auth, peerLimit: { perMinute: 60, burst: 3 } });
    app.get("/", (c) => c.text("ok"));
    const guess = { headers: { authorization: "Bearer guess" } };
    const from = connectionFrom("10.0.0.1");
    const statuses = [];
    for (let attempt = 0; attempt < 4; attempt++) statuses.push((await app.request("/", guess, from)).status);
    assert.deepEqual(statuses, [401, 401, 401, 429]);
    assert.equal((await app.request("/", asAnn, connectionFrom("10.0.0.2"))).status, 200);
  });
});
