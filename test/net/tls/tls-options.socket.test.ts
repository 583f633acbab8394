import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { runtime } from "#runtime";
import type { TlsIdentity, TlsOptions } from "../../../src/core/identity.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { listenOn } from "../../rpc/client/grpc-fixture.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority, type TestAuthority } from "../../support/certificates.ts";
import { caller, faultOf, serveLake, ways } from "./tls-fixture.ts";

describe("The options of TLS", unless("listen", "mtlsServer"), () => {
  const cleanup = new Cleanup();
  after(() => cleanup.run());
  let authority: TestAuthority;
  let other: TestAuthority;
  let front: TlsIdentity;
  let own: TlsIdentity;
  before(async () => {
    authority = await createAuthority("Mesh CA");
    other = await createAuthority("Public CA");
    own = await authority.issue({ commonName: "lake" });
    front = await other.issue({ commonName: "www" });
  });
  const encrypted = (key: string, passphrase: string): string =>
    createPrivateKey(key).export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase,
    }) as string;

  for (const [way, call] of Object.entries(ways)) {
    it(`let a client trust an authority of its own without a certificate, by ${way}`, async () => {
      const { port } = await serveLake(cleanup, own, { clientAuth: "none" });
      assert.equal(await call(caller(cleanup, `https://127.0.0.1:${port}`, { ca: authority.ca })), "done");
    });

    it(`let a client trust several authorities, the runtime's and the system's among them, by ${way}`, async () => {
      const lakes = [
        await serveLake(cleanup, own, { clientAuth: "none" }),
        await serveLake(cleanup, front, { clientAuth: "none" }),
      ];
      for (const ca of [
        [authority.ca, other.ca],
        `${authority.ca}\n${other.ca}`,
        ["default", authority.ca, other.ca],
        ["default", "system", `${authority.ca}${other.ca}`],
      ]) {
        for (const { port } of lakes) {
          assert.equal(await call(caller(cleanup, `https://127.0.0.1:${port}`, { ca })), "done");
        }
      }
    });

    it(`trust nobody besides: the runtime's authorities do not know a private one, by ${way}`, async () => {
      const { port } = await serveLake(cleanup, own, { clientAuth: "none" });
      for (const tls of [undefined, {}, { ca: "default" }, { ca: ["default", other.ca] }, { ca: other.ca }]) {
        const error = await faultOf(call(caller(cleanup, `https://127.0.0.1:${port}`, tls)));
        assert.equal(error.tlsReason, "unknown-authority", JSON.stringify(tls));
      }
    });

    it(`show a certificate that differs from the mesh's on one server, by ${way}`, async () => {
      const { port } = await serveLake(cleanup, own, {
        tls: { cert: front.cert, key: front.key },
        clientAuth: "none",
      });
      assert.equal(await call(caller(cleanup, `https://127.0.0.1:${port}`, { ca: other.ca })), "done");
    });

    it(`keep the mesh's authority of clients behind another certificate, by ${way}`, async () => {
      const { port } = await serveLake(cleanup, own, { tls: { cert: front.cert, key: front.key } });
      const origin = `https://127.0.0.1:${port}`;
      const { cert, key } = await authority.issue({ commonName: "gateway" });
      assert.equal(await call(caller(cleanup, origin, { cert, key, ca: other.ca })), "done");
      const without = await faultOf(call(caller(cleanup, origin, { ca: other.ca })));
      assert.equal(without.tlsReason, "certificate-required");
      const stranger = await other.issue();
      assert.ok(await faultOf(call(caller(cleanup, origin, { ...stranger, ca: other.ca }))));
    });

    it(`serve with a certificate where the mesh has none, by ${way}`, async () => {
      const { port } = await serveLake(cleanup, undefined, { tls: { cert: front.cert, key: front.key } });
      assert.equal(await call(caller(cleanup, `https://127.0.0.1:${port}`, { ca: other.ca })), "done");
    });

    it(`set the oldest version, by ${way}`, async () => {
      const old = createTlsServer({ ...own, maxVersion: "TLSv1.2" }, (socket) => socket.destroy());
      old.on("tlsClientError", () => {});
      const origin = await listenOn(cleanup, old, "https");
      const strict = await faultOf(
        call(caller(cleanup, origin, { ca: authority.ca, minVersion: "TLSv1.3" })),
      );
      assert.equal(strict.tlsReason, "no-common-version", strict.message);
      const { port } = await serveLake(cleanup, { ...own, minVersion: "TLSv1.3" });
      assert.equal(
        await call(caller(cleanup, `https://127.0.0.1:${port}`, { ...own, minVersion: "TLSv1.3" })),
        "done",
      );
    });

    it(`take an encrypted key with its passphrase, by ${way}`, async () => {
      const tls = { ...own, key: encrypted(own.key, "secret"), passphrase: "secret" };
      const { port } = await serveLake(cleanup, tls);
      assert.equal(await call(caller(cleanup, `https://127.0.0.1:${port}`, tls)), "done");
    });

    it(`choose cipher suites, by ${way}`, unless("tlsCiphers"), async () => {
      const { port } = await serveLake(cleanup, { ...own, ciphers: "TLS_CHACHA20_POLY1305_SHA256" });
      const origin = `https://127.0.0.1:${port}`;
      assert.equal(await call(caller(cleanup, origin, own)), "done");
      const disjoint = { ...own, ciphers: "TLS_AES_128_GCM_SHA256", minVersion: "TLSv1.3" as const };
      assert.ok(await faultOf(call(caller(cleanup, origin, disjoint))));
    });
  }

  it("refuse cipher suites where the runtime has no say in them", async () => {
    const make = (): unknown => createMesh({ service: "x", tls: { ciphers: "TLS_AES_128_GCM_SHA256" } });
    if (runtime.capabilities.tlsCiphers) await (make() as ReturnType<typeof createMesh>).close();
    else assert.throws(make, { code: "ERR_CAPABILITY", message: /capability tlsCiphers/ });
  });

  it("let no client in with a certificate of a public authority", async () => {
    // Roots to call others by are no authorities of clients: anybody gets a certificate of those.
    for (const ca of ["default", "system", ["default"]]) {
      for (const clientAuth of ["require", "request"] as const) {
        await assert.rejects(serveLake(cleanup, { ...own, ca }, { clientAuth }), {
          code: "ERR_TLS_CONFIG",
          message: /tls\.ca names no authority that issues clients' certificates/,
        });
      }
    }
    const { port } = await serveLake(cleanup, { ...own, ca: ["default", authority.ca] });
    const stranger = { ...(await other.issue()), ca: authority.ca };
    assert.ok(await faultOf(ways["mesh.rest"]!(caller(cleanup, `https://127.0.0.1:${port}`, stranger))));
  });

  describe("that are broken are refused where they are given:", () => {
    const broken: readonly (readonly [what: string, make: () => Promise<TlsOptions>, message: RegExp])[] = [
      [
        "a certificate without its key",
        async () => ({ cert: own.cert }),
        /^Cannot use tls\.key: it is undefined while tls\.cert is given; give the private key/,
      ],
      [
        "a key without its certificate",
        async () => ({ key: own.key }),
        /^Cannot use tls\.cert: it is undefined while tls\.key is given; give the certificate/,
      ],
      [
        "an encrypted key without its passphrase",
        async () => ({ ...own, key: encrypted(own.key, "secret") }),
        /^Cannot use tls\.key: it is encrypted; give tls\.passphrase as well/,
      ],
      [
        "a wrong passphrase",
        async () => ({ ...own, key: encrypted(own.key, "secret"), passphrase: "wrong" }),
        /^Cannot use tls\.passphrase: it does not decrypt tls\.key; give the one that does/,
      ],
      [
        "a chain without its leaf",
        async () => ({ ...own, cert: authority.ca }),
        /^Cannot use tls\.cert: it holds no leaf: the first certificate is that of an authority, CN=Mesh CA; put/,
      ],
      [
        "a chain in the wrong order",
        async () => ({ ...own, cert: `${authority.ca}\n${own.cert}` }),
        /^Cannot use tls\.cert: the key belongs to certificate 2 of 2; put the leaf first/,
      ],
      [
        "a key of another certificate",
        async () => ({ ...own, key: front.key }),
        /^Cannot use tls\.key: it does not belong to the certificate of CN=lake; give the key/,
      ],
      [
        "a path for the key",
        async () => ({ ...own, key: "/etc/tls/tls.key" }),
        /^Cannot use tls\.key: it does not parse \(it looks like a file name: read the file\); give/,
      ],
      [
        "a path for the authority",
        async () => ({ ca: "./ca.pem" }),
        /^Cannot use tls\.ca: there is no BEGIN CERTIFICATE block in it \(it looks like a file name: read the file\); give .*"default", "system"/,
      ],
      [
        "a list with something else than PEM",
        async () => ({ ca: [authority.ca, Buffer.from("x") as unknown as string] }),
        /^Cannot use tls\.ca: it is object, not PEM text/,
      ],
      ["an empty list", async () => ({ ca: [] }), /^Cannot use tls\.ca: it is an empty list; give/],
      [
        "what is no PEM",
        async () => ({ ...own, cert: "MIIB\nMIIB" }),
        /^Cannot use tls\.cert: there is no BEGIN CERTIFICATE block in it; give/,
      ],
    ];
    for (const [what, make, message] of broken) {
      it(what, async () => {
        const tls = await make();
        assert.throws(() => createMesh({ service: "x", tls }), { code: "ERR_TLS_CONFIG", message });
        await assert.rejects(
          serveLake(cleanup, undefined, { tls: { ca: authority.ca, ...tls } }),
          (error: Error) => /^Cannot (?:use tls|serve)/.test(error.message),
        );
      });
    }

    it("unknown names and values", async () => {
      const make = (tls: object) => () => createMesh({ service: "x", tls });
      assert.throws(
        make({ certs: own.cert }),
        /Cannot make tls: it has no option "certs"; did you mean "cert"\?/,
      );
      assert.throws(make({ minVersion: "1.3" }), /tls: minVersion is "1\.3"; pass "TLSv1\.2" or "TLSv1\.3"/);
    });
  });
});
