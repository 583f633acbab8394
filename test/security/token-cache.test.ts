import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError, MeshError, TransportError } from "../../src/core/errors.ts";
import { markUpstream } from "../../src/core/upstream.ts";
import { type AuthOptions, createSecurity } from "../../src/security/authenticate.ts";
import { AuthenticationError } from "../../src/security/bearer.ts";
import { staticTokens } from "../../src/security/static-tokens.ts";
import { callOf, withToken } from "./fixture.ts";

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

  it("are remembered until they expire, and then response synchronously", async () => {
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

  it("are not validated anew for a moment, and get the same response", async () => {
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

async function errorOf(task: () => unknown): Promise<unknown> {
  try {
    await task();
  } catch (error) {
    return error;
  }
  return undefined;
}
