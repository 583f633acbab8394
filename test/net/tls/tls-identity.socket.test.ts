import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { before, describe, it } from "node:test";
import { runtime } from "#runtime";
import type { TlsIdentity } from "../../../src/core/identity.ts";
import { peerIdentityFromDer } from "../../../src/net/tls/peer-identity.ts";
import { unless } from "../../support/capability.ts";
import { type ConnectOptions, createAuthority, type TestAuthority } from "../../support/certificates.ts";

describe("identity of a peer", () => {
  let authority: TestAuthority;
  before(async () => {
    authority = await createAuthority();
  });
  const identityOf = async (options: ConnectOptions) =>
    peerIdentityFromDer(new Uint8Array(new X509Certificate((await authority.issue(options)).cert).raw));

  /** The identity in a certificate some of whose bytes (hex) were replaced by as many others. */
  const patched = async (options: ConnectOptions, from: string, to: string) => {
    const der = Buffer.from(new X509Certificate((await authority.issue(options)).cert).raw).toString("hex");
    assert.ok(der.includes(from));
    return peerIdentityFromDer(new Uint8Array(Buffer.from(der.replaceAll(from, to), "hex")));
  };

  it("takes no name out of another one", async () => {
    const evil = 'a.test, URI:spiffe://datapunk.test/admin, DNS:"b.test"';
    const { subjectAltNames, spiffeId } = await identityOf({ dns: [evil] });
    assert.deepEqual(subjectAltNames.dns, [evil]);
    assert.deepEqual(subjectAltNames.uri, []);
    assert.equal(spiffeId, undefined);
  });

  it("writes a subject so that it can be read back", async () => {
    const { subject, commonName } = await identityOf({
      commonName: 'lake, "the\\big" one+more;<x>=#',
      organization: " #Datapunk ",
    });
    assert.equal(commonName, 'lake, "the\\big" one+more;<x>=#');
    assert.equal(subject, 'O=\\ #Datapunk\\ ,CN=lake\\, \\"the\\\\big\\" one\\+more\\;\\<x\\>\\=#');
  });

  it("writes a subject in one line, whatever is in it", async () => {
    const { subject, commonName } = await identityOf({ commonName: "lake\nCN=root\r\0\x7f\u0085\u2028" });
    assert.equal(commonName, "lake\nCN=root\r\0\x7f\u0085\u2028");
    assert.equal(subject, "CN=lake\\0ACN\\=root\\0D\\00\\7F\\C2\\85\\E2\\80\\A8");
  });

  it("reads the Latin-1 of old certificates", async () => {
    const utf8 = Buffer.from("Züri?");
    const t61 = Buffer.from("Z\xfcric?", "latin1");
    const tagged = (tag: number, text: Buffer): string =>
      Buffer.from([tag, text.length, ...text]).toString("hex");
    const { commonName } = await patched({ commonName: "Züri?" }, tagged(0x0c, utf8), tagged(0x14, t61));
    assert.equal(commonName, "Züric?");
  });

  it("reads names beyond ASCII", async () => {
    assert.equal(
      (await identityOf({ commonName: "Wetterdienst Zürich 天気" })).commonName,
      "Wetterdienst Zürich 天気",
    );
  });

  it("has a SPIFFE ID only when there is exactly one", async () => {
    const one = "spiffe://datapunk.test/lake";
    assert.equal((await identityOf({ uri: [one] })).spiffeId, one);
    assert.equal((await identityOf({ uri: [one, "spiffe://datapunk.test/stream"] })).spiffeId, undefined);
    assert.equal((await identityOf({ uri: ["https://datapunk.test/lake"] })).spiffeId, undefined);
    assert.equal((await identityOf({})).spiffeId, undefined);
  });

  it("has no SPIFFE ID when the only URI is not valid, or there is another URI", async () => {
    const one = "spiffe://datapunk.test/lake";
    for (const uri of [
      [one, "https://datapunk.test/lake"],
      [one, one],
      ["SPIFFE://datapunk.test/lake"],
      ["spiffe://datapunk.test"],
      ["spiffe://datapunk.test:443/lake"],
      ["spiffe://user@datapunk.test/lake"],
      ["spiffe://datapunk.test/lake?admin"],
      ["spiffe://datapunk.test/%6cake"],
      ["spiffe://datapunk.test/lake\0"],
      [`spiffe://datapunk.test/${"x".repeat(2048)}`],
    ]) {
      assert.equal((await identityOf({ uri })).spiffeId, undefined, uri.join());
    }
  });

  it("has no SPIFFE ID in the certificate of an authority, which must not be used to authenticate", async () => {
    const uri = ["spiffe://datapunk.test/lake"];
    assert.equal((await identityOf({ uri, authority: true })).spiffeId, undefined);
    const signs = await patched({ uri }, "03020780", "03020106");
    assert.equal(signs.spiffeId, undefined);
    assert.deepEqual(signs.subjectAltNames.uri, uri);
  });

  it("keeps a byte order mark in a name, so that the name is not taken for the one without it", async () => {
    const mark = Buffer.from("\ufeff").toString("hex");
    const { spiffeId, subjectAltNames } = await patched(
      { uri: ["???spiffe://datapunk.test/lake"], dns: ["???a.test"] },
      Buffer.from("???").toString("hex"),
      mark,
    );
    assert.equal(spiffeId, undefined);
    assert.deepEqual(subjectAltNames.uri, ["\ufeffspiffe://datapunk.test/lake"]);
    assert.deepEqual(subjectAltNames.dns, ["\ufeffa.test"]);
  });

  it("has no names where the certificate has none", async () => {
    const { subjectAltNames } = await identityOf({ dns: [], ip: [] });
    assert.deepEqual(subjectAltNames, { dns: [], uri: [], ip: [], email: [] });
  });

  it("refuses bytes that are no certificate", async () => {
    const whole = new Uint8Array(new X509Certificate((await authority.issue()).cert).raw);
    assert.throws(() => peerIdentityFromDer(new Uint8Array([0x30, 0x82, 0xff])), RangeError);
    assert.throws(() => peerIdentityFromDer(new Uint8Array()), RangeError);
    assert.throws(() => peerIdentityFromDer(whole.subarray(0, 60)), RangeError);
  });
});

describe("a broken TLS identity", unless("mtlsClient", "mtlsServer"), () => {
  let good: TlsIdentity;
  let broken: [what: string, tls: TlsIdentity, part: RegExp][];
  before(async () => {
    const authority = await createAuthority();
    good = await authority.issue();
    const other = await authority.issue();
    const missing = undefined as unknown as string;
    broken = [
      [
        "a key of another certificate",
        { ...good, key: other.key },
        /^Cannot use tls\.key: it does not belong to the certificate/,
      ],
      [
        "a file name for a certificate",
        { ...good, cert: "/etc/lake.pem" },
        /^Cannot use tls\.cert: .*file name/,
      ],
      ["a key for a certificate", { ...good, cert: good.key }, /^Cannot use tls\.cert: /],
      [
        "a certificate that is cut",
        { ...good, cert: good.cert.replace(/MII.{40}/, "MIIB") },
        /^Cannot use tls\.cert: certificate 1 of 1/,
      ],
      ["a certificate for a key", { ...good, key: good.cert }, /^Cannot use tls\.key: it does not parse/],
      ["no key", { ...good, key: missing }, /^Cannot use tls\.key: it is undefined/],
      ["an empty CA", { ...good, ca: "" }, /^Cannot use tls\.ca: /],
      [
        "a CA that is cut",
        { ...good, ca: good.ca.replace(/MII.{40}/, "MIIB") },
        /^Cannot use tls\.ca: certificate 1 of 1/,
      ],
    ];
  });

  const transport = { maxConnectionsPerEndpoint: 100 };
  const openers: Record<string, (tls: TlsIdentity) => unknown> = {
    "an HTTP client": (tls) => runtime.openHttpTransport({ ...transport, tls }),
    "a gRPC client": (tls) =>
      runtime.openRpcTransport({
        ...transport,
        tls,
        origin: "https://localhost:1",
        protocol: "grpc",
        useBinaryFormat: true,
        maxMessageBytes: 1_000,
      }),
    "a listener": (tls) =>
      runtime.listen({
        hostname: "127.0.0.1",
        ports: { all: 0 },
        tls: { ...tls, clientAuth: "require" },
        fetch: () => new Response(),
        rpc: undefined,
        onConnectionError() {},
      }),
  };
  for (const [what, open] of Object.entries(openers)) {
    it(`is refused by ${what}, which names the part`, async () => {
      for (const [, tls, message] of broken) {
        await assert.rejects(async () => open(tls), { code: "ERR_TLS_CONFIG", message });
      }
    });
  }

  it("is told from a good one", async () => {
    const client = runtime.openHttpTransport({ ...transport, tls: good });
    await client.close();
  });
});
