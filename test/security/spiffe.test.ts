import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PeerIdentity } from "../../src/core/identity.ts";
import { principalFromPeer } from "../../src/security/peer.ts";
import { isSpiffeId, spiffeIdFrom } from "../../src/security/spiffe.ts";

function peerOf(commonName: string, uri: readonly string[] = [], spiffeId = spiffeIdFrom(uri)): PeerIdentity {
  return {
    subject: `CN=${commonName}`,
    commonName,
    subjectAltNames: { dns: [], uri, ip: [], email: [] },
    spiffeId,
    fingerprint256: "00",
  };
}

describe("a SPIFFE ID", () => {
  it("has a trust domain and a path, in the characters that the specification allows", () => {
    for (const id of [
      "spiffe://example.org/gateway",
      "spiffe://example.org/ns/prod/sa/lake-1_a.b",
      "spiffe://a/A",
      "spiffe://1.2.3.4/x",
      "spiffe://example.org/...",
      `spiffe://${"a".repeat(255)}/x`,
      `spiffe://a/${"x".repeat(2048 - 11)}`,
    ]) {
      assert.equal(isSpiffeId(id), true, id);
    }
  });

  it("is nothing else: no other scheme, authority, encoding, query or fragment, and nothing too long", () => {
    for (const text of [
      "",
      "spiffe:",
      "spiffe://",
      "spiffe:///gateway",
      "spiffe://example.org",
      "spiffe://example.org/",
      "spiffe://example.org//gateway",
      "spiffe://example.org/gateway/",
      "spiffe://example.org/./gateway",
      "spiffe://example.org/../gateway",
      "spiffe:/example.org/gateway",
      "SPIFFE://example.org/gateway",
      "Spiffe://example.org/gateway",
      "spiffe://Example.org/gateway",
      "spiffe://example.org:443/gateway",
      "spiffe://user@example.org/gateway",
      "spiffe://user:pass@example.org/gateway",
      "spiffe://[::1]/gateway",
      "spiffe://example.org/gateway?a=b",
      "spiffe://example.org/gateway?",
      "spiffe://example.org/gateway#a",
      "spiffe://example.org/gate%77ay",
      "spiffe://example%2eorg/gateway",
      "spiffe://example.org\\gateway",
      "spiffe://exämple.org/gateway",
      "spiffe://example.org/gätewäy",
      "spiffe://example.org/gateway\0",
      "spiffe://example.org/gateway\0.evil",
      "spiffe://example.org\0/gateway",
      "spiffe://example.org/gateway\n",
      " spiffe://example.org/gateway",
      "\ufeffspiffe://example.org/gateway",
      "https://example.org/gateway",
      `spiffe://${"a".repeat(256)}/x`,
      `spiffe://a/${"x".repeat(2049 - 11)}`,
    ]) {
      assert.equal(isSpiffeId(text), false, JSON.stringify(text));
    }
  });

  it("is the only URI of its certificate", () => {
    const id = "spiffe://example.org/gateway";
    assert.equal(spiffeIdFrom([id]), id);
    assert.equal(spiffeIdFrom([]), undefined);
    assert.equal(spiffeIdFrom([id, id]), undefined);
    assert.equal(spiffeIdFrom([id, "spiffe://example.org/lake"]), undefined);
    assert.equal(spiffeIdFrom([id, "https://example.org/"]), undefined);
    assert.equal(spiffeIdFrom(["https://example.org/", id]), undefined);
  });
});

describe("the principal of a certificate", () => {
  it("is its SPIFFE ID, else its common name", () => {
    const id = "spiffe://example.org/gateway";
    assert.equal(principalFromPeer(peerOf("lake", [id]))?.id, id);
    assert.equal(principalFromPeer(peerOf("lake", ["https://example.org/"]))?.id, "lake");
    assert.equal(principalFromPeer(peerOf("Wetterdienst Zürich 天気"))?.id, "Wetterdienst Zürich 天気");
    assert.equal(principalFromPeer(peerOf("")), undefined);
  });

  it("is never a common name that is, or could be taken for, a SPIFFE ID", () => {
    for (const name of [
      "spiffe://example.org/gateway",
      "SPIFFE://example.org/gateway",
      " spiffe://example.org/gateway",
      "spiffe:example",
      "spiffe ://example.org/gateway",
      "spiffe%3A%2F%2Fexample.org%2Fgateway",
      "URI:spiffe://example.org/gateway",
      "ｓｐｉｆｆｅ：／／example.org/gateway",
      "spi\u200bffe://example.org/gateway",
    ]) {
      assert.equal(principalFromPeer(peerOf(name)), undefined, name);
      assert.equal(
        principalFromPeer(peerOf(name, ["spiffe://example.org/lake"]))?.id,
        "spiffe://example.org/lake",
      );
    }
  });

  it("is never a common name with characters that hide or break a line", () => {
    for (const name of [
      "lake\0",
      "lake\nroot",
      "lake\x7f",
      "\ufefflake",
      "lake\u202egetaway",
      "la\u200bke",
    ]) {
      assert.equal(principalFromPeer(peerOf(name)), undefined, JSON.stringify(name));
    }
  });

  it("is not the common name where the certificate means to be an SVID and is none", () => {
    for (const uris of [
      ["spiffe://example.org/lake", "spiffe://example.org/gateway"],
      ["spiffe://example.org/lake", "https://example.org/"],
      ["SPIFFE://example.org/lake"],
      ["spiffe://example.org/lake?admin"],
      ["spiffe://example.org"],
    ]) {
      assert.equal(principalFromPeer(peerOf("gateway", uris)), undefined, uris.join());
    }
  });
});
