import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call } from "../../src/core/call.ts";
import { isMeshError, MeshError, TransportError } from "../../src/core/errors.ts";
import type { PeerIdentity, Principal } from "../../src/core/identity.ts";
import { markUpstream } from "../../src/core/upstream.ts";
import { type AuthOptions, createSecurity } from "../../src/security/authenticate.ts";
import { AuthenticationError } from "../../src/security/bearer.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";

function callOf(): Call {
  return new Call({ side: "server", protocol: "rest", service: "lake", operation: "GET /" });
}

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

const withToken = (token: string): Headers => new Headers({ authorization: `Bearer ${token}` });
const nothing = new Headers();

function principalOf(options: AuthOptions, headers: Headers, peer?: PeerIdentity): Principal | undefined {
  const call = callOf();
  assert.equal(createSecurity(options)(call, headers, peer), undefined, "answered synchronously");
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

  it("lets nobody in by a validator that answers null, false or a principal without a name", async () => {
    for (const answer of [null, undefined, false, true, {}, { id: "" }, { id: 7 }]) {
      const sync = createSecurity({ validate: () => answer as never });
      assert.throws(() => sync(callOf(), withToken("t"), undefined), { code: "ERR_UNAUTHENTICATED" });
      const late = createSecurity({ validate: async () => answer as never, required: false });
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
    assert.throws(() => principalOf({ authorize }, nothing), { code: "ERR_PERMISSION_DENIED" });
    assert.deepEqual(seen, [[undefined, "GET /"]]);
    assert.throws(() => principalOf({ authorize: () => "yes" as never }, nothing), {
      code: "ERR_PERMISSION_DENIED",
    });
    assert.equal(principalOf({ authorize: () => true }, nothing), undefined);
  });
});

describe("validated tokens", () => {
  function counting(expiresAt: number | undefined, cache?: AuthOptions["cache"]) {
    let now = 1_000_000;
    let validated = 0;
    const security = createSecurity({
      validate: async (token) => {
        validated++;
        return { id: token, kind: "token", claims: {}, ...(expiresAt === undefined ? {} : { expiresAt }) };
      },
      wallClock: () => now,
      ...(cache === undefined ? {} : { cache }),
    });
    return {
      async use(token = "t"): Promise<boolean> {
        const answer = security(callOf(), withToken(token), undefined);
        await answer;
        return answer === undefined;
      },
      pass: (ms: number) => {
        now += ms;
      },
      count: () => validated,
    };
  }

  it("are remembered until they expire, and then answer synchronously", async () => {
    const tokens = counting(1_060_000);
    assert.equal(await tokens.use(), false);
    assert.equal(await tokens.use(), true);
    tokens.pass(59_999);
    assert.equal(await tokens.use(), true);
    tokens.pass(1);
    assert.equal(await tokens.use(), false);
    assert.equal(tokens.count(), 2);
  });

  it("are asked about anew after the longest age, so that a revoked token ends", async () => {
    const tokens = counting(1e12);
    await tokens.use();
    tokens.pass(300_000);
    await tokens.use();
    assert.equal(tokens.count(), 2);
  });

  it("are not remembered when the validator does not say until when, when switched off, or when too long", async () => {
    for (const tokens of [counting(undefined), counting(1e12, false), counting(1e12, { maxTokens: 0 })]) {
      await tokens.use();
      await tokens.use();
      assert.equal(tokens.count(), 2);
    }
    const long = counting(1e12);
    await long.use("x".repeat(5000));
    await long.use("x".repeat(5000));
    assert.equal(long.count(), 2);
  });

  it("are bounded in number: the one unused for longest leaves", async () => {
    const tokens = counting(1e12, { maxTokens: 2 });
    await tokens.use("a");
    await tokens.use("b");
    await tokens.use("a");
    await tokens.use("c");
    assert.equal(await tokens.use("a"), true);
    assert.equal(await tokens.use("b"), false);
  });
});

describe("refused tokens", () => {
  function refusing(answer: () => unknown, options: Partial<AuthOptions> = {}) {
    let now = 1_000_000;
    let validated = 0;
    const validate = (): never => {
      validated++;
      return answer() as never;
    };
    const security = createSecurity({ validate, wallClock: () => now, ...options });
    return {
      async refuse(token = "t"): Promise<unknown> {
        return errorOf(async () => security(callOf(), withToken(token), undefined));
      },
      pass: (ms: number) => {
        now += ms;
      },
      count: () => validated,
    };
  }
  const invalid = (): never => {
    throw new AuthenticationError("The token was revoked", "invalid_token");
  };

  it("are not validated anew for a moment, and get the same answer", async () => {
    for (const answer of [
      invalid,
      async () => invalid(),
      () => null,
      async () => false,
      staticTokens({ a: "b" }).bind(undefined, "t", callOf()),
    ]) {
      const tokens = refusing(answer);
      const first = await tokens.refuse();
      assert.ok(isMeshError(first, "ERR_UNAUTHENTICATED"));
      for (let round = 0; round < 100; round++) assert.equal(await tokens.refuse(), first);
      tokens.pass(4_999);
      await tokens.refuse();
      assert.equal(tokens.count(), 1);
      tokens.pass(1);
      await tokens.refuse();
      assert.equal(tokens.count(), 2);
    }
  });

  it("are validated anew when the validator could not find out, or did something else", async () => {
    for (const failure of [
      new TransportError("refused", "no key server"),
      new MeshError("ERR_DEADLINE_EXCEEDED", "the key server is slow"),
      new MeshError("ERR_PERMISSION_DENIED", "not this operation"),
      markUpstream(new MeshError("ERR_UNAUTHENTICATED", "the key server wants a token too")),
      new TypeError("fetch failed"),
      undefined,
      "no error",
    ]) {
      const tokens = refusing(async () => {
        throw failure;
      });
      await tokens.refuse();
      await tokens.refuse();
      assert.equal(tokens.count(), 2, String(failure));
    }
    for (const nonsense of [undefined, true, 7, {}, { id: "" }]) {
      const tokens = refusing(() => nonsense);
      await tokens.refuse();
      await tokens.refuse();
      assert.equal(tokens.count(), 2);
    }
  });

  it("are bounded in number and length, and drive out no valid one", async () => {
    let validated = 0;
    const security = createSecurity({
      validate: (token) => {
        validated++;
        return token === "good" ? { id: "ann", kind: "token", claims: {}, expiresAt: 1e15 } : invalid();
      },
      cache: { maxTokens: 2 },
    });
    const use = (token: string): Promise<unknown> =>
      errorOf(async () => security(callOf(), withToken(token), undefined));
    for (const token of ["good", "a", "b", "c", "d"]) await use(token);
    assert.equal(validated, 5);
    for (const token of ["good", "c", "d"]) await use(token);
    assert.equal(validated, 5);
    await use("a");
    assert.equal(validated, 6);
    const long = "x".repeat(5_000);
    await use(long);
    await use(long);
    assert.equal(validated, 8);
  });

  it("are validated anew each time where that is switched off, and after the clock was set back", async () => {
    for (const cache of [false, { maxTokens: 0 }, { refusalMaxAgeMs: 0 }] as const) {
      const tokens = refusing(invalid, { cache });
      await tokens.refuse();
      await tokens.refuse();
      assert.equal(tokens.count(), 2);
    }
    const tokens = refusing(invalid);
    await tokens.refuse();
    tokens.pass(-1_000);
    await tokens.refuse();
    assert.equal(tokens.count(), 2);
    assert.throws(() => createSecurity({ validate: invalid, cache: { refusalMaxAgeMs: -1 } }), RangeError);
  });
});

describe("hooks of security", () => {
  /** A promise that is not the runtime's own. */
  const thenable = (settle: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => void) =>
    // biome-ignore lint/suspicious/noThenProperty: a hook may return any promise
    ({ then: settle }) as never;

  it("may answer with any kind of promise", async () => {
    const security = createSecurity({
      validate: () => thenable((resolve) => resolve({ id: "ann", kind: "token", claims: {} })),
      authorize: (principal) => thenable((resolve) => resolve(principal?.id === "ann")),
    });
    const call = callOf();
    await security(call, withToken("t"), undefined);
    assert.equal(call.principal?.id, "ann");
    const refused = createSecurity({ authorize: () => thenable((resolve) => resolve("yes")) });
    await assert.rejects(async () => refused(callOf(), nothing, undefined), {
      code: "ERR_PERMISSION_DENIED",
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

async function errorOf(task: () => unknown): Promise<unknown> {
  try {
    await task();
  } catch (error) {
    return error;
  }
  return undefined;
}
