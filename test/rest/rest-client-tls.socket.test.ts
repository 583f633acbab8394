import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { isMeshError, isTransportError } from "../../src/core/errors.ts";
import type { TlsIdentity } from "../../src/core/identity.ts";
import { staticResolver } from "../../src/discovery/static-resolver.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Mesh } from "../../src/mesh/options.ts";
import { createAuthority, type TestAuthority } from "../support/certificates.ts";
import { errorOf } from "./lake.ts";

describe("a REST client with an identity", () => {
  const closers: (() => Promise<void>)[] = [];
  after(async () => {
    for (const close of closers.reverse()) await close();
  });

  let authority: TestAuthority;
  let stranger: TestAuthority;
  before(async () => {
    authority = await createAuthority("Mesh CA");
    stranger = await createAuthority("Other CA");
  });

  /** A service that demands a certificate of `ca`, and responds with whose it was. */
  async function secureServer(own: TlsIdentity, ca: string): Promise<string> {
    const mesh = createMesh({ service: "lake", tls: { ...own, ca } });
    const app = mesh.app();
    app.all("/x", (c) => c.text(c.get("call").peer?.commonName ?? "nobody"));
    const server = await mesh.serve({ app, hostname: "127.0.0.1", port: 0 });
    closers.push(() => server.close({ force: true }));
    return `https://127.0.0.1:${server.port}`;
  }

  function meshAs(identity: TlsIdentity | undefined, origin: string): Mesh {
    const mesh = createMesh({
      service: "gateway",
      resolver: staticResolver({ lake: [origin] }),
      policies: { lake: { retry: false } },
      ...(identity && { tls: identity }),
    });
    closers.push(() => mesh.close());
    return mesh;
  }

  it("shows its certificate and believes its authority", async () => {
    const origin = await secureServer(await authority.issue({ commonName: "lake" }), authority.ca);
    const lake = meshAs(await authority.issue({ commonName: "gateway" }), origin).rest("lake");
    assert.equal(await lake.get("x").text(), "gateway");
    assert.equal(await lake.post("x", { json: { a: 1 } }).text(), "gateway");
  });

  it("sends nothing to a server of another authority", async () => {
    const origin = await secureServer(await stranger.issue({ commonName: "lake" }), authority.ca);
    const error = await errorOf(
      meshAs(await authority.issue(), origin)
        .rest("lake")
        .post("x", { json: 1 }),
    );
    assert.ok(isTransportError(error), String(error));
    assert.deepEqual([error.fault, error.neverStarted], ["tls", true]);
    assert.match(error.message, /^Cannot reach lake at https:/);
  });

  it("sends nothing to a server whose certificate is for another name, or has expired", async () => {
    for (const options of [{ dns: ["elsewhere.test"], ip: [] }, { expired: true }]) {
      const origin = await secureServer(await authority.issue(options), authority.ca);
      const error = await errorOf(
        meshAs(await authority.issue(), origin)
          .rest("lake")
          .get("x"),
      );
      assert.ok(isTransportError(error), String(error));
      assert.equal(error.fault, "tls", `${JSON.stringify(options)}: ${error.message}`);
    }
  });

  it("does not get through with a certificate of another authority, or with none", async () => {
    const origin = await secureServer(await authority.issue({ commonName: "lake" }), authority.ca);
    const impostor = { ...(await stranger.issue()), ca: authority.ca };
    const error = await errorOf(meshAs(impostor, origin).rest("lake").get("x"));
    assert.ok(isTransportError(error), String(error));
    assert.ok(isTransportError(await errorOf(meshAs(undefined, origin).rest("lake").get("x"))));
  });

  it("refuses a certificate that does not match its key when it is made", async () => {
    const [one, two] = [await authority.issue(), await authority.issue()];
    assert.throws(
      () => meshAs({ ...one, key: two.key }, "https://127.0.0.1:1"),
      (error) => isMeshError(error, "ERR_TLS_CONFIG"),
    );
  });

  it("does not show its certificate to an origin outside of the mesh", async () => {
    const origin = await secureServer(await authority.issue({ commonName: "lake" }), authority.ca);
    const mesh = meshAs(await authority.issue(), origin);
    // Neither the authority nor the certificate are for outside: the handshake fails at the first of the two.
    for (const call of [() => mesh.fetch(`${origin}/x`), () => mesh.rest(origin).get("x")]) {
      const error = await errorOf(call());
      assert.ok(isTransportError(error), String(error));
      assert.equal(error.fault, "tls");
    }
  });
});
