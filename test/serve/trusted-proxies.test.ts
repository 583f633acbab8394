import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectionFrom, serverFixture } from "../hono/fixture.ts";

type Options = Parameters<typeof serverFixture>[0];

/** The addresses that a server takes requests to come from, by the limits that they share. */
function fixture(options: Options) {
  const { app } = serverFixture({ rateLimit: { perMinute: 1, burst: 1 }, ...options });
  app.get("/", (c) => c.text("ok"));
  return async (remote: string, headers: Record<string, string> = {}): Promise<number> =>
    (await app.request("/", { headers }, connectionFrom(remote))).status;
}

const proxies = ["10.0.0.0/8", "192.0.2.7", "fd00::/8"];

describe("trustedProxies", () => {
  it("make the client of a request the last address that is none of theirs", async () => {
    const statusOf = fixture({ trustedProxies: proxies });
    const via = (list: string) => ({ "x-forwarded-for": list });
    assert.equal(await statusOf("10.1.2.3", via("203.0.113.1")), 200);
    assert.equal(await statusOf("10.9.9.9", via("203.0.113.1, 10.4.4.4,192.0.2.7")), 429);
    assert.equal(await statusOf("fd00::1", via("6.6.6.6, 203.0.113.2")), 200);
    assert.equal(await statusOf("::ffff:10.1.1.1", via("7.7.7.7, 203.0.113.2")), 429);
    assert.equal(await statusOf("10.1.2.3", via("203.0.113.3:4711")), 200);
    assert.equal(await statusOf("10.1.2.3", via("203.0.113.3")), 429);
    assert.equal(await statusOf("10.1.2.3", via("[2001:db8:1:2::7]:443")), 200);
    assert.equal(await statusOf("10.1.2.3", via("2001:db8:1:2::8")), 429);
  });

  it("are the only ones whose header is believed", async () => {
    const statusOf = fixture({ trustedProxies: proxies });
    assert.equal(await statusOf("11.0.0.1", { "x-forwarded-for": "203.0.113.1" }), 200);
    assert.equal(await statusOf("11.0.0.1", { "x-forwarded-for": "203.0.113.9" }), 429);
    assert.equal(await statusOf("192.0.2.8", { "x-forwarded-for": "203.0.113.1" }), 200);
    assert.equal(await statusOf("203.0.113.1"), 200);
  });

  it("may say it with a header of their own, or by RFC 7239", async () => {
    const own = fixture({ trustedProxies: proxies, clientAddressHeader: "X-Real-IP" });
    assert.equal(await own("10.1.2.3", { "x-real-ip": "203.0.113.1" }), 200);
    assert.equal(await own("10.1.2.3", { "x-real-ip": "203.0.113.1" }), 429);
    const standard = fixture({ trustedProxies: proxies, clientAddressHeader: "forwarded" });
    const forwarded = 'for=6.6.6.6, proto=https;For="[2001:db8:1:2::7]:47", for=10.3.3.3;by=10.1.1.1';
    assert.equal(await standard("10.1.2.3", { forwarded }), 200);
    assert.equal(await standard("10.1.2.3", { forwarded: 'for="[2001:db8:1:2::1]"' }), 429);
    assert.equal(await standard("10.1.2.3", { forwarded: "for=203.0.113.1;proto=http" }), 200);
  });

  it("may quote what the client sent, which makes it nobody else", async () => {
    const forwarded = fixture({ trustedProxies: proxies, clientAddressHeader: "forwarded" });
    const statusOf = (text: string) => forwarded("10.1.2.3", { forwarded: text });
    assert.equal(await statusOf("for=203.0.113.1"), 200);
    for (const text of [
      'for=203.0.113.1;host="a,for=6.6.6.6"',
      'host="a;for=6.6.6.6";for=203.0.113.1',
      'for=203.0.113.1;host="a\\",for=6.6.6.6;b=\\""',
      'for="6.6.6.6, for=203.0.113.1',
      'for=6.6.6.6;host="\\", for=203.0.113.1;host="b"',
      `${'"'.repeat(4_001)},for=203.0.113.1`,
    ]) {
      assert.equal(await statusOf(text), 429, text);
    }
  });

  it("that name nobody are the client themselves, and what is no address is one client for all", async () => {
    const statusOf = fixture({ trustedProxies: proxies });
    assert.equal(await statusOf("10.1.2.3"), 200);
    assert.equal(await statusOf("10.1.2.3"), 429);
    assert.equal(await statusOf("10.1.2.4", { "x-forwarded-for": " " }), 200);
    assert.equal(await statusOf("10.1.2.5", { "x-forwarded-for": "203.0.113.1, unknown" }), 200);
    for (const bad of ["_hidden", "1.2.3.256", "1.2.3.4, ", "::1::", '"', "x".repeat(9_000)]) {
      assert.equal(await statusOf("10.1.2.6", { "x-forwarded-for": bad }), 429, bad);
    }
  });

  it("are looked for in the last 32 entries of a list only", async () => {
    const statusOf = fixture({ trustedProxies: proxies });
    const list = `203.0.113.1${", 10.0.0.1".repeat(31)}`;
    assert.equal(await statusOf("10.1.2.3", { "x-forwarded-for": list }), 200);
    assert.equal(await statusOf("10.1.2.3", { "x-forwarded-for": "203.0.113.1" }), 429);
    const longer = `203.0.113.2${", 10.0.0.1".repeat(500)}`;
    assert.equal(await statusOf("10.1.2.3", { "x-forwarded-for": longer }), 200);
    assert.equal(await statusOf("10.1.2.3", { "x-forwarded-for": "203.0.113.2" }), 200);
  });

  it("must be addresses and ranges", () => {
    for (const bad of ["10.0.0.0/33", "proxy.internal", "fd00::/129", "", "10.0.0.0/", 7]) {
      assert.throws(
        () => serverFixture({ trustedProxies: [bad as string] }),
        (error: Error) => error.message.includes(`trustedProxies has ${JSON.stringify(bad)}; pass addresses`),
        String(bad),
      );
    }
    assert.throws(
      () => serverFixture({ trustedProxies: "10.0.0.0/8" as never }),
      /trustedProxies is no list/,
    );
  });
});
