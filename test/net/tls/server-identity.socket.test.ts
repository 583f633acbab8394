import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ServerIdentity, TlsIdentity } from "../../../src/core/identity.ts";
import { createSource } from "../../../src/core/source.ts";
import { staticResolver } from "../../../src/discovery/static-resolver.ts";
import type { ClientPolicy } from "../../../src/mesh/client-policy.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority, type TestAuthority } from "../../support/certificates.ts";
import { ChangingResolver } from "../../support/changing-resolver.ts";
import { caller, faultOf, serveLake, ways } from "./tls-fixture.ts";

describe("Who a server must be", unless("listen", "mtlsServer", "serverIdentity"), () => {
  const cleanup = new Cleanup();
  after(() => cleanup.run());
  const id = "spiffe://mesh.test/lake";
  let authority: TestAuthority;
  let own: TlsIdentity;
  let origin: string;
  let named: string;
  before(async () => {
    authority = await createAuthority();
    own = await authority.issue({ commonName: "gateway" });
    // Found by its address, which is not in its certificate, as behind a headless service.
    const lake = await serveLake(cleanup, await authority.issue({ dns: ["lake.test"], ip: [], uri: [id] }));
    origin = `https://127.0.0.1:${lake.port}`;
    const local = await serveLake(cleanup, await authority.issue({ uri: [id] }));
    named = `https://127.0.0.1:${local.port}`;
  });

  for (const [way, call] of Object.entries(ways)) {
    const outcomes = async (server: ServerIdentity | undefined, at = origin): Promise<string> => {
      const mesh = caller(cleanup, [{ origin: at, ...(server && { tls: server }) }], own);
      return call(mesh).catch(async () => (await faultOf(call(mesh))).message);
    };

    it(`is its name, of an endpoint, by ${way}`, async () => {
      assert.match(await outcomes(undefined), /certificate is for lake\.test, not for 127\.0\.0\.1/);
      assert.equal(await outcomes({ serverName: "lake.test" }), "done");
      assert.match(await outcomes({ serverName: "stream.test" }), /is for lake\.test, not for stream\.test/);
    });

    it(`is its SPIFFE ID in the place of the name, of an endpoint, by ${way}`, async () => {
      assert.equal(await outcomes({ spiffeId: id }), "done");
      assert.equal(await outcomes({ spiffeId: ["spiffe://mesh.test/other", id] }), "done");
      const other = await outcomes({ spiffeId: "spiffe://mesh.test/stream" });
      assert.match(other, /: the server is spiffe:\/\/mesh\.test\/lake, not spiffe:\/\/mesh\.test\/stream$/);
    });

    it(`is both where both are given, by ${way}`, async () => {
      assert.equal(await outcomes({ spiffeId: id, serverName: "lake.test" }), "done");
      assert.match(await outcomes({ spiffeId: id, serverName: "stream.test" }), /is for lake\.test, not for/);
      const other = { spiffeId: "spiffe://mesh.test/stream", serverName: "lake.test" };
      assert.match(await outcomes(other), /: the server is spiffe:\/\/mesh\.test\/lake, not/);
    });

    it(`is what the policy of the service says, unless the endpoint says otherwise, by ${way}`, async () => {
      const policy: ClientPolicy = { retry: false, tls: { serverName: "lake.test" } };
      assert.equal(await call(caller(cleanup, origin, own, policy)), "done");
      const endpoint = { origin, tls: { serverName: "stream.test" } };
      const error = await faultOf(call(caller(cleanup, [endpoint], own, policy)));
      assert.equal(error.tlsReason, "wrong-name");
    });

    it(`is not believed of a connection that was opened for somebody else, by ${way}`, async () => {
      const policies = createSource<Record<string, ClientPolicy>>({ "*": { retry: false, breaker: false } });
      const mesh = createMesh({
        service: "gateway",
        tls: own,
        resolver: staticResolver({ lake: [named] }),
        policies,
      });
      cleanup.add(() => mesh.close());
      assert.equal(await call(mesh), "done");
      const pinned = {
        retry: false,
        breaker: false,
        tls: { spiffeId: "spiffe://mesh.test/stream" },
      } as const;
      policies.set({ "*": pinned });
      assert.equal((await faultOf(call(mesh))).tlsReason, "wrong-identity");
      policies.set({ "*": { ...pinned, tls: { spiffeId: id } } });
      assert.equal(await call(mesh), "done");
      policies.set({ "*": { ...pinned, tls: { serverName: "localhost" } } });
      assert.equal(await call(mesh), "done");
      assert.equal(await call(mesh), "done");
      policies.set({ "*": { ...pinned, tls: { serverName: "stream.test" } } });
      assert.equal((await faultOf(call(mesh))).tlsReason, "wrong-name");
      policies.set({ "*": { retry: false, breaker: false } });
      assert.equal(await call(mesh), "done");
    });

    it(`is never taken for granted in the clear, by ${way}`, async () => {
      const { port, reached } = await serveLake(cleanup, undefined);
      const mesh = caller(cleanup, `http://127.0.0.1:${port}`, own, { retry: false, tls: { spiffeId: id } });
      const error: unknown = await call(mesh).then(
        () => undefined,
        (reason) => reason,
      );
      assert.match(String(error), /tls says who its server must be, which nobody can verify in the clear/);
      assert.doesNotMatch(String(error), /handshake/);
      assert.equal(reached.count, 0);
    });
  }

  it("is not overlooked when a resolver misspells it", async () => {
    for (const [way, call] of Object.entries(ways)) {
      const resolver = new ChangingResolver("lake").set({ origin: named, tls: { spiffeID: id } as never });
      const mesh = createMesh({ service: "gateway", tls: own, resolver });
      cleanup.add(() => mesh.close());
      await assert.rejects(call(mesh), /it has no option "spiffeID"; did you mean "spiffeId"\?/, way);
    }
  });

  it("is no certificate that names two, or that of an authority", async () => {
    for (const options of [{ uri: [id, "https://mesh.test"] }, { uri: [id], authority: true }]) {
      const { port } = await serveLake(cleanup, await authority.issue(options));
      for (const [way, call] of Object.entries(ways)) {
        const mesh = caller(cleanup, `https://127.0.0.1:${port}`, own, {
          retry: false,
          tls: { spiffeId: id },
        });
        const { tlsReason, message } = await faultOf(call(mesh));
        assert.ok(tlsReason === "wrong-identity" || tlsReason === "bad-certificate", `${way}: ${message}`);
      }
    }
  });

  it("does not make a chain valid", async () => {
    const stranger = await createAuthority("Other CA");
    const { port, reached } = await serveLake(cleanup, {
      ...(await stranger.issue({ uri: [id] })),
      ca: authority.ca,
    });
    for (const [way, call] of Object.entries(ways)) {
      for (const tls of [
        { spiffeId: id },
        { serverName: "localhost" },
        { spiffeId: id, serverName: "localhost" },
      ]) {
        const mesh = caller(cleanup, `https://127.0.0.1:${port}`, own, { retry: false, tls });
        assert.equal((await faultOf(call(mesh))).tlsReason, "unknown-authority", way);
      }
    }
    assert.equal(reached.count, 0);
  });
});
