import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MeshError, TransportError } from "../../src/core/errors.ts";
import { oneLine, Redaction } from "../../src/telemetry/redaction.ts";

const redaction = new Redaction();

describe("oneLine()", () => {
  it("escapes what could begin a line, move the cursor or hide text", () => {
    const hostile = "a\nb\r\nc\u001b[2Jd\u0085e\u2028f\u202eg\u0000h\ud800i\u200bj\u007f";
    const shown = oneLine(hostile);
    assert.match(shown, /^[\x20-\x7e]+$/);
    assert.equal(oneLine("a\nb"), "a\\u{a}b");
  });

  it("leaves letters of every script as they are, and bounds the length", () => {
    assert.equal(oneLine("Zürich 東京 🙂"), "Zürich 東京 🙂");
    assert.equal(oneLine("x".repeat(5_000)).length, 1_025);
    assert.equal(oneLine("abcdef", 3), "abc…");
  });
});

describe("what is written of a target", () => {
  for (const [what, url, shown] of [
    ["the path of an absolute URL", "https://ann:pw@lake.test:8080/a/b?x=1#part", "/a/b?x=1"],
    ["a bare origin", "https://lake.test", "/"],
    ["an access token", "/a?access_token=abc&x=1", "/a?access_token=[redacted]&x=1"],
    ["a name in another case", "/a?API_KEY=abc", "/a?API_KEY=[redacted]"],
    ["an encoded name", "/a?access%5Ftoken=abc", "/a?access%5Ftoken=[redacted]"],
    ["a name that cannot be decoded", "/a?%E0%A4%A=1", "/a?%E0%A4%A=1"],
    ["a nested name", "/a?user[password]=abc", "/a?user[password]=[redacted]"],
    ["a signature of S3", "/a?X-Amz-Signature=ab12", "/a?X-Amz-Signature=[redacted]"],
    ["the code of an OAuth redirect", "/callback?code=abc&state=1", "/callback?code=[redacted]&state=1"],
    ["several values", "/a?token=1&token=2", "/a?token=[redacted]&token=[redacted]"],
    ["a value with an equals sign", "/a?token=a=b", "/a?token=[redacted]"],
    ["a query without values", "/a?token&b", "/a?token&b"],
  ] as const) {
    it(`is right for ${what}`, () => assert.equal(redaction.target(url), shown));
  }

  it("leaves out names of one's own", () => {
    assert.equal(new Redaction(["Session-Id"]).target("/a?session-id=1"), "/a?session-id=[redacted]");
  });
});

describe("what is written of a text that quotes a peer", () => {
  for (const [what, text, shown] of [
    ["a bearer token", "invalid: Bearer abc.def-g==", "invalid: Bearer [redacted]"],
    ["a header line", "got authorization: Digest a, b", "got authorization: [redacted]"],
    ["cookies", "Set-Cookie: a=b; c=d", "Set-Cookie: [redacted]"],
    [
      "a URL",
      "GET https://x.test/?access_token=abc&y=1 failed",
      "GET https://x.test/?access_token=[redacted]&y=1 failed",
    ],
    [
      "credentials in a URL",
      "postgres://ann:pw@db:5432/x, https://pat@h/",
      "postgres://[redacted]@db:5432/x, https://[redacted]@h/",
    ],
    [
      "the code of an OAuth redirect",
      "at /cb?x=1&code=abc&key=d#e",
      "at /cb?x=1&code=[redacted]&key=[redacted]#e",
    ],
    ["JSON", '{"password":"abc","x":1}', '{"password":"[redacted]","x":1}'],
    ["an everyday sentence", "the token is missing; code: 5", "the token is missing; code: 5"],
  ] as const) {
    it(`is right for ${what}`, () => assert.equal(redaction.text(text), shown));
  }

  it("is soon made, however long and odd the text is", () => {
    for (const part of ["token=", "Bearer ", 'cookie"', "a", '"password":"']) {
      assert.ok(redaction.text(part.repeat(200_000)).length <= 1_100);
    }
  });
});

describe("what is written of an error", () => {
  it("says its type, code, message and causes, without secrets", () => {
    const cause = new TransportError("tls", "no\nway with token=abc", { tlsReason: "expired" });
    const error = new MeshError("ERR_NO_ENDPOINTS", "nobody there", { cause });
    assert.deepEqual(redaction.error(error, false), {
      type: "MeshError",
      message: "nobody there",
      code: "ERR_NO_ENDPOINTS",
      cause: {
        type: "TransportError",
        message: "no\\u{a}way with token=[redacted]",
        code: "ERR_TRANSPORT",
        tlsReason: "expired",
      },
    });
  });

  it("has no line in its stack but frames, whatever its message says", () => {
    const error = new Error("x\n2026-01-01 INFO all is well\n    at fake (fake.ts:1:1)");
    const { stack = "", message } = redaction.error(error, true);
    assert.doesNotMatch(message, /\n/);
    assert.doesNotMatch(stack, /all is well|fake/);
    for (const line of stack.split("\n")) assert.match(line, /^( {4}at .*)?$/);
  });

  it("survives whatever is thrown", () => {
    const unreadable = new Proxy(new Error("x"), {
      get() {
        throw new Error("cannot be read");
      },
    });
    const nested = new Error("a");
    nested.cause = nested;
    for (const thrown of [
      undefined,
      null,
      1,
      "text",
      Symbol("s"),
      {},
      unreadable,
      nested,
      Object.create(null),
    ]) {
      const { type, message } = redaction.error(thrown, true);
      assert.equal(typeof type, "string");
      assert.equal(typeof message, "string");
    }
  });
});
