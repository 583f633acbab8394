import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Call } from "../../src/core/call.ts";
import { equalInConstantTime, staticTokens } from "../../src/security/static-tokens.ts";

const call = new Call({ side: "server", protocol: "rest", service: "lake", operation: "GET /" });

describe("staticTokens()", () => {
  it("knows each token's principal, synchronously", () => {
    const validate = staticTokens({ "token-a": "ann", "token-b": "bob" });
    assert.deepEqual(validate("token-a", call), { id: "ann", kind: "token", claims: {} });
    assert.deepEqual(validate("token-b", call), { id: "bob", kind: "token", claims: {} });
  });

  it("refuses every other token, also those that come close", () => {
    const validate = staticTokens({ "token-a": "ann" });
    for (const token of [
      "",
      "t",
      "token-",
      "token-b",
      "token-aa",
      "token-atoken-a",
      "Token-a",
      "constructor",
    ]) {
      assert.throws(() => validate(token, call), { code: "ERR_UNAUTHENTICATED" }, token);
    }
  });

  it("refuses to be made without tokens, or with empty ones", () => {
    assert.throws(() => staticTokens({}), TypeError);
    assert.throws(() => staticTokens({ "": "ann" }), TypeError);
    assert.throws(() => staticTokens({ a: "" }), TypeError);
  });

  it("refuses the token that a variable makes which is not set", () => {
    const unset: { readonly TOKEN?: string } = {};
    assert.throws(() => staticTokens({ [`${unset.TOKEN}`]: "ann" }), {
      name: "TypeError",
      message:
        'Cannot make staticTokens(): the token of "ann" is undefined; is the variable set that it comes from?',
    });
    assert.throws(() => staticTokens({ null: "ann" }), TypeError);
  });
});

describe("equalInConstantTime()", () => {
  it("says what === says", () => {
    const texts = ["", "a", "b", "aa", "ab", "ba", "aaaa", "secret", "secreT", "ésecret", "\u0000"];
    for (const given of texts) {
      for (const expected of texts.slice(1)) {
        assert.equal(equalInConstantTime(given, expected), given === expected, `${given} ${expected}`);
      }
    }
  });
});
