import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Call } from "../../src/core/call.ts";
import { TransportError } from "../../src/core/errors.ts";
import type { PeerIdentity, Principal } from "../../src/core/identity.ts";
import { type AuthOptions, createSecurity } from "../../src/security/authenticate.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import { callOf, withToken } from "./fixture.ts";

function peerOf(identity: Partial<PeerIdentity>): PeerIdentity {
  return {
    subject: "CN=lake",
    commonName: "",
    subjectAltNames: { dns: [], uri: [], ip: [], email: [] },
    spiffeId: undefined,
    fingerprint256: "00",
    ...identity,
  };
}

const nothing = new Headers();

function principalOf(options: AuthOptions, headers: Headers, peer?: PeerIdentity): Principal | undefined {
  const call = callOf();
  assert.equal(createSecurity(options)(call, headers, peer), undefined, "responded synchronously");
  return call.principal;
}

describe("security of a server", () => {
  it("lets everybody in when nothing is configured, and names the peer", () => {
    assert.equal(principalOf({}, nothing), undefined);
    const spiffe = peerOf({ commonName: "lake", spiffeId: "spiffe://mesh/lake" });
    assert.deepEqual(principalOf({}, nothing, spiffe), {
      id: "spiffe://mesh/lake",
      kind: "peer",
      claims: {},
    });
    assert.equal(principalOf({}, nothing, peerOf({ commonName: "lake" }))?.id, "lake");
    assert.equal(principalOf({}, nothing, peerOf({})), undefined);
  });

  it("leaves the peer on the call beside the principal of a token", () => {
    const peer = peerOf({ commonName: "gateway" });
    const call = callOf();
    createSecurity({ validate: staticTokens({ t: "ann" }) })(call, withToken("t"), peer);
    assert.equal(call.peer, peer);
    assert.equal(call.principal?.id, "ann");
  });

  it("demands a principal once there is a validator, by token or by certificate", () => {
    const options = { validate: staticTokens({ t: "ann" }) };
    assert.throws(() => principalOf(options, nothing), { code: "ERR_UNAUTHENTICATED" });
    assert.equal(principalOf(options, withToken("t"))?.id, "ann");
    assert.equal(principalOf(options, nothing, peerOf({ commonName: "lake" }))?.id, "lake");
    assert.throws(() => principalOf(options, nothing, peerOf({})), { code: "ERR_UNAUTHENTICATED" });
    assert.equal(principalOf({ ...options, required: false }, nothing), undefined);
  });

  it("demands a certificate when it is required and there is no validator", () => {
    assert.throws(() => principalOf({ required: true }, withToken("t")), /client certificate is required/);
    assert.equal(principalOf({ required: true }, nothing, peerOf({ commonName: "lake" }))?.id, "lake");
  });

  it("refuses a wrong token even where none is needed, or a certificate would do", () => {
    const validate = staticTokens({ t: "ann" });
    const refused = { code: "ERR_UNAUTHENTICATED" };
    assert.throws(() => principalOf({ validate, required: false }, withToken("x")), refused);
    assert.throws(() => principalOf({ validate }, withToken("x"), peerOf({ commonName: "lake" })), refused);
  });

  it("hides why a validator threw, but not that its own backend is down", async () => {
    const broken = createSecurity({
      validate: () => {
        throw new Error("secret key id 7 unknown");
      },
    });
    assert.throws(
      () => broken(callOf(), withToken("t"), undefined),
      (error: Error) =>
        !error.message.includes("secret") && (error.cause as Error).message.includes("secret"),
    );
    const down = createSecurity({
      validate: () => Promise.reject(new TransportError("refused", "no key server")),
    });
    await assert.rejects(async () => down(callOf(), withToken("t"), undefined), { code: "ERR_TRANSPORT" });
  });

  it("lets nobody in by a validator that responds null, false or a principal without a name", async () => {
    for (const response of [null, undefined, false, true, {}, { id: "" }, { id: 7 }]) {
      const sync = createSecurity({ validate: () => response as never });
      assert.throws(() => sync(callOf(), withToken("t"), undefined), { code: "ERR_UNAUTHENTICATED" });
      const late = createSecurity({ validate: async () => response as never, required: false });
      await assert.rejects(async () => late(callOf(), withToken("t"), undefined), {
        code: "ERR_UNAUTHENTICATED",
      });
    }
  });

  it("waits for validators and hooks that are asynchronous", async () => {
    const security = createSecurity({
      validate: async (token) => ({ id: token, kind: "token", claims: {} }),
      authorize: async (principal) => principal?.id === "ann",
    });
    const call = callOf();
    await security(call, withToken("ann"), undefined);
    assert.equal(call.principal?.id, "ann");
    await assert.rejects(async () => security(callOf(), withToken("bob"), undefined), {
      code: "ERR_PERMISSION_DENIED",
    });
  });

  it("asks the hook about anonymous callers too, and takes only true for yes", () => {
    const seen: unknown[] = [];
    const authorize = (principal: Principal | undefined, call: Call): boolean => {
      seen.push([principal?.id, call.operation]);
      return false;
    };
    // They are asked who they are: it might make a difference.
    assert.throws(() => principalOf({ authorize }, nothing), { code: "ERR_UNAUTHENTICATED" });
    assert.deepEqual(seen, [[undefined, "GET /"]]);
    assert.throws(() => principalOf({ authorize: () => "yes" as never }, nothing), {
      code: "ERR_UNAUTHENTICATED",
    });
    assert.equal(principalOf({ authorize: () => true }, nothing), undefined);
  });
});

describe("hooks of security", () => {
  /** A promise that is not the runtime's own. */
  const thenable = (settle: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => void) =>
    // biome-ignore lint/suspicious/noThenProperty: a hook may return any promise
    ({ then: settle }) as never;

  it("may respond with any kind of promise", async () => {
    const security = createSecurity({
      validate: () => thenable((resolve) => resolve({ id: "ann", kind: "token", claims: {} })),
      authorize: (principal) => thenable((resolve) => resolve(principal?.id === "ann")),
    });
    const call = callOf();
    await security(call, withToken("t"), undefined);
    assert.equal(call.principal?.id, "ann");
    const refused = createSecurity({ authorize: () => thenable((resolve) => resolve("yes")) });
    await assert.rejects(async () => refused(callOf(), nothing, undefined), {
      code: "ERR_UNAUTHENTICATED",
    });
  });

  it("fail the request whatever they throw or reject with, and let nobody in", async () => {
    for (const reason of [new Error("x"), undefined, null, "text", Object.create(null), Symbol("s")]) {
      const hooks: readonly AuthOptions[] = [
        { validate: () => Promise.reject(reason) },
        { validate: () => thenable((_, reject) => reject(reason)) },
        {
          validate: () => {
            throw reason;
          },
        },
        { authorize: () => Promise.reject(reason) },
        { authorize: () => thenable((_, reject) => reject(reason)) },
        {
          authorize: () => {
            throw reason;
          },
        },
      ];
      for (const options of hooks) {
        const call = callOf();
        let failed = false;
        try {
          await createSecurity(options)(call, withToken("t"), undefined);
        } catch {
          failed = true;
        }
        assert.equal(failed, true);
      }
    }
  });
});
