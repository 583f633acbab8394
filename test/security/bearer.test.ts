import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { AuthenticationError, bearerChallenge, parseBearer } from "../../src/security/bearer.ts";

describe("parseBearer()", () => {
  it("finds the token, however the scheme is written", () => {
    assert.equal(parseBearer("Bearer abc.DEF-1_2~3+4/5=="), "abc.DEF-1_2~3+4/5==");
    assert.equal(parseBearer("bearer  abc "), "abc");
    assert.equal(parseBearer("BEARER abc"), "abc");
  });

  it("finds none without a header, or with another scheme", () => {
    for (const header of [undefined, null, "", "Basic dXNlcjpwYXNz", "Bear", "Bearerabc", "Negotiate"]) {
      assert.equal(parseBearer(header), undefined, String(header));
    }
  });

  it("refuses what says Bearer and is malformed, with the challenge that says so", () => {
    for (const header of [
      "Bearer",
      "Bearer ",
      "Bearer a b",
      "Bearer a,b",
      "Bearer é",
      `Bearer ${"x".repeat(16_385)}`,
    ]) {
      assert.throws(
        () => parseBearer(header),
        (error) =>
          isMeshError(error, "ERR_UNAUTHENTICATED") &&
          (error as AuthenticationError).challenge.includes('error="invalid_request"'),
        header.slice(0, 20),
      );
    }
  });
});

describe("bearerChallenge()", () => {
  it("names no error where no credentials came", () => {
    assert.equal(bearerChallenge(), 'Bearer realm="mesh"');
    assert.equal(new AuthenticationError("A bearer token is required").challenge, 'Bearer realm="mesh"');
  });

  it("keeps its quotes whatever the description says", () => {
    const challenge = bearerChallenge("invalid_token", 'say "no"\\\r\nset-cookie: a=b é');
    assert.match(challenge, /^Bearer realm="mesh", error="invalid_token", error_description="[^"\\\r\n]*"$/);
  });
});
