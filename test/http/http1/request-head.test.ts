import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Http1Error } from "../../../src/http/http1/http1-error.ts";
import { parseRequestHead } from "../../../src/http/http1/request-head.ts";
import { getRequest, respondOk, TestConnection } from "./connection-fixture.ts";

const limit = 16_384;

function statusOf(head: string): number {
  try {
    parseRequestHead(head, limit);
  } catch (error) {
    assert.ok(error instanceof Http1Error, String(error));
    return error.status;
  }
  return 200;
}

/** A request line and a host, with these lines in between. */
function withLines(...lines: string[]): string {
  return ["POST /x HTTP/1.1", "host: a", ...lines].join("\r\n");
}

describe("the head of an HTTP/1.1 request", () => {
  it("gives method, target, fields and what they say of the body", () => {
    const head = parseRequestHead(
      withLines("X-Custom:  spaced out\t", "Content-Length: 12", "cookie: a=1", "Cookie: b=\x80"),
      limit,
    );
    assert.deepEqual(head, {
      method: "POST",
      target: "/x",
      minor: 1,
      fields: [
        "host",
        "a",
        "x-custom",
        "spaced out",
        "content-length",
        "12",
        "cookie",
        "a=1",
        "cookie",
        "b=\x80",
      ],
      authority: "a",
      bodyBytes: 12,
      keepAlive: true,
      expectsContinue: false,
    });
  });

  for (const [what, head, status] of [
    ["without a host", "GET / HTTP/1.1", 400],
    ["with two hosts", withLines("host: a"), 400],
    ["with two spaces in the request line", "GET  / HTTP/1.1\r\nhost: a", 400],
    ["with a tab in the request line", "GET\t/ HTTP/1.1\r\nhost: a", 400],
    ["without a version", "GET /\r\nhost: a", 400],
    ["with a version in small letters", "GET / http/1.1\r\nhost: a", 400],
    ["of HTTP/1.2", "GET / HTTP/1.2\r\nhost: a", 505],
    ["of HTTP/2 in the words of HTTP/1", "GET / HTTP/2.0\r\nhost: a", 505],
    ["whose method is no token", "G(T / HTTP/1.1\r\nhost: a", 400],
    ["whose method is endless", `${"A".repeat(33)} / HTTP/1.1\r\nhost: a`, 400],
    ["with a byte beyond ASCII in its target", "GET /\xfc HTTP/1.1\r\nhost: a", 400],
    ["with a fragment in its target", "GET /a#b HTTP/1.1\r\nhost: a", 400],
    ["with a control character in its target", "GET /\x7f HTTP/1.1\r\nhost: a", 400],
    ["with a blank before a colon", withLines("content-length : 1"), 400],
    ["with a blank at the start of its first field", "GET / HTTP/1.1\r\n host: a", 400],
    ["with a field that goes on in the next line", withLines("x: a", " b"), 400],
    ["with a field without a name", withLines(": a"), 400],
    ["with a line that is no field", withLines("nothing"), 400],
    ["with a name that is no token", withLines("x(y): a"), 400],
    ["with a NUL in a value", withLines("x: a\0b"), 400],
    ["with a CR in a value", withLines("x: a\rb"), 400],
    ["with an LF in a value", withLines("x: a\nb: c"), 400],
    ["with an escape in a value", withLines("x: \x1b[2J"), 400],
    ["with a DEL in a value", withLines("x: a\x7f"), 400],
    ["with two lengths", withLines("content-length: 1", "content-length: 2"), 400],
    ["with the same length twice", withLines("content-length: 1", "content-length: 1"), 400],
    ["with two lengths in one field", withLines("content-length: 1, 1"), 400],
    ["with a signed length", withLines("content-length: +1"), 400],
    ["with a length in hexadecimal", withLines("content-length: 0x1"), 400],
    ["with a length that no number holds", withLines(`content-length: ${"9".repeat(20)}`), 400],
    ["with an empty length", withLines("content-length:"), 400],
    ["with a length and chunks", withLines("content-length: 1", "transfer-encoding: chunked"), 400],
    ["with chunks in chunks", withLines("transfer-encoding: chunked, chunked"), 400],
    ["with chunks that are not last", withLines("transfer-encoding: chunked, gzip"), 400],
    ["with a coding that is nearly chunked", withLines("transfer-encoding: xchunked"), 400],
    ["with a vertical tab before chunked", withLines("transfer-encoding: \x0bchunked"), 400],
    ["with identity for a coding", withLines("transfer-encoding: identity"), 400],
    ["with a coding that nobody here undoes", withLines("transfer-encoding: gzip, chunked"), 501],
    ["with chunks in HTTP/1.0", "POST / HTTP/1.0\r\ntransfer-encoding: chunked", 400],
    ["with an expectation that nobody can meet", withLines("expect: coffee"), 417],
    ["that is as it should be", withLines("transfer-encoding: Chunked"), 200],
  ] as const) {
    it(`${what} is responded to with ${status}`, () => assert.equal(statusOf(head), status));
  }

  it("is counted as HTTP/2 counts it, to the byte", () => {
    // :method, :scheme, :path and :authority, each with its 32 bytes.
    const others = 7 + 4 + 32 + (7 + 4 + 32) + (5 + 2 + 32) + (10 + 1 + 32);
    const pad = (bytes: number): string => withLines(`x: ${"y".repeat(bytes - others - 1 - 32)}`);
    assert.equal(statusOf(pad(limit)), 200);
    assert.equal(statusOf(pad(limit + 1)), 431);
  });

  it("counts many small fields for more than their bytes", () => {
    const lines = (count: number): string[] => Array.from({ length: count }, () => "x: y");
    assert.equal(statusOf(withLines(...lines(400))), 200);
    assert.equal(statusOf(withLines(...lines(500))), 431);
  });
});

describe("a connection on which a head comes", () => {
  it("takes it a byte at a time, behind empty lines", () => {
    const peer = new TestConnection(respondOk);
    peer.drip(`\r\n\r\n${getRequest}${getRequest}`);
    assert.deepEqual(peer.statuses(), [200, 200]);
  });

  for (const [what, bytes, status] of [
    ["a line feed without its carriage return", "GET / HTTP/1.1\n", 400],
    ["a carriage return without its line feed", "GET / HTTP/1.1\rh", 400],
    ["a TLS handshake", "\x16\x03\x01\x02\x00\x01", 400],
    ["a control character", "GET / HTTP/1.1\r\nhost: \x01", 400],
    ["more than the limit without an end", `GET / HTTP/1.1\r\nx: ${"y".repeat(2_000)}`, 431],
  ] as const) {
    it(`refuses ${what} at once, and does not wait for the rest`, () => {
      const peer = new TestConnection(respondOk);
      peer.send(bytes);
      assert.deepEqual(peer.statuses(), [status]);
      assert.equal(peer.open, false);
      assert.equal(peer.exchanges.length, 0);
    });
  }

  it("serves what came before what is wrong, and nothing that comes after it", () => {
    const peer = new TestConnection(respondOk);
    peer.send(`${getRequest}GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n${getRequest}`);
    assert.deepEqual(peer.statuses(), [200, 400]);
    assert.equal(peer.open, false);
  });
});
