import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytesOf, getRequest, respondOk, TestConnection } from "./connection-fixture.ts";

const http10 = "GET / HTTP/1.0\r\n\r\n";

/** A response without its date. */
function dateless(text: string): string {
  return text.replace(/date: .*\r\n/, "");
}

function begun(request = getRequest): TestConnection {
  const peer = new TestConnection();
  peer.send(request);
  return peer;
}

describe("an HTTP/1.1 response", () => {
  it("of known length leaves in one piece, with the date", () => {
    const peer = begun();
    respondOk(peer.exchanges[0]!);
    const text = peer.take();
    assert.match(text, /\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/);
    assert.equal(dateless(text), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok");
  });

  it("of unknown length goes out in chunks, the head with the first one", () => {
    const peer = begun();
    const exchange = peer.exchanges[0]!;
    exchange.begin(200, ["x-a", "1", "x-a", "2"], "Fine");
    assert.equal(peer.take(), "");
    exchange.write(bytesOf("hello"));
    exchange.write(bytesOf("y".repeat(9_000)));
    exchange.end();
    assert.equal(
      dateless(peer.take()),
      `HTTP/1.1 200 Fine\r\nx-a: 1\r\nx-a: 2\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n5\r\nhello\r\n2328\r\n${"y".repeat(9_000)}\r\n0\r\n\r\n`,
    );
  });

  it("of unknown length ends an HTTP/1.0 connection, and when it breaks, no end looks like one", () => {
    const whole = begun(http10);
    whole.exchanges[0]!.begin(200, []);
    whole.exchanges[0]!.write(bytesOf("hello"));
    whole.exchanges[0]!.end();
    assert.equal(dateless(whole.take()), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello");
    assert.equal(whole.transport.ended, true);
    const broken = begun(http10);
    broken.exchanges[0]!.begin(200, []);
    broken.exchanges[0]!.write(bytesOf("hel"));
    broken.exchanges[0]!.abort();
    assert.equal(broken.transport.ended, false);
    assert.equal(broken.transport.wasReset, true);
  });

  it("to HEAD, and with 204 or 304, has no body", () => {
    const peer = begun(getRequest.replace("GET", "HEAD"));
    peer.exchanges[0]!.respond(200, ["content-length", "5"], "hello");
    assert.match(peer.take(), /content-length: 5\r\n[\s\S]*\r\n\r\n$/);
    peer.send(getRequest);
    peer.exchanges[1]!.respond(304, ["etag", "x"], "hello");
    assert.match(peer.take(), /\r\n\r\n$/);
  });

  it("says nothing of the connection that is not this one's", () => {
    const peer = begun();
    const hop = ["upgrade", "h2c", "keep-alive", "timeout=1", "transfer-encoding", "gzip", "te", "trailers"];
    peer.exchanges[0]!.respond(200, [...hop, "content-length", "0"]);
    assert.equal(
      dateless(peer.take()),
      "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n",
    );
  });

  for (const value of ["a\r\nb: c", "a\nb", "a\0", "a\x1b", "a\x7f", "ā"]) {
    it(`with a field ${JSON.stringify(value)} is not written, and another one can be`, () => {
      const peer = begun();
      const exchange = peer.exchanges[0]!;
      assert.throws(() => exchange.respond(200, ["x-y", value], "ok"), TypeError);
      assert.throws(() => exchange.respond(200, [], "ok", value), TypeError);
      assert.equal(peer.take(), "");
      exchange.respond(500, ["content-length", "0"]);
      assert.deepEqual(peer.statuses(), [500]);
      assert.equal(peer.open, true);
    });
  }

  it("may hold text beyond ASCII in its fields, a byte a character", () => {
    const pieces: (string | Uint8Array)[] = [];
    const peer = begun();
    peer.transport.write = (written) => pieces.push(...written) > 0;
    peer.exchanges[0]!.respond(200, ["x-y", "\xfc", "content-length", "2"], "\xfc");
    const [head, body] = pieces as [Uint8Array, Uint8Array];
    assert.ok(head.includes(0xfc) && !head.includes(0xc3));
    assert.deepEqual([...body], [0xc3, 0xbc]);
  });

  it("comes in the order of the requests, however they are ready", () => {
    const peer = new TestConnection();
    peer.send(getRequest.repeat(3));
    assert.equal(peer.exchanges.length, 1);
    for (let at = 0; at < 3; at++) peer.exchanges[at]!.respond(200 + at, []);
    assert.deepEqual(peer.statuses(), [200, 201, 202]);
  });

  it("that comes late, when its exchange is over, is dropped", () => {
    const peer = new TestConnection();
    peer.send(getRequest.repeat(2));
    const [first] = peer.exchanges;
    respondOk(first!);
    peer.take();
    first!.respond(500, [], "late");
    first!.write(bytesOf("late"));
    first!.end();
    first!.continue();
    assert.equal(peer.take(), "");
  });

  it("to an HTTP/1.0 client that asks for it leaves the connection open", () => {
    const peer = new TestConnection(respondOk);
    peer.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    assert.equal(peer.open, true);
    peer.send(http10);
    assert.equal(peer.open, false);
  });

  it("ends the connection when the client or the handler says so", () => {
    const client = new TestConnection(respondOk);
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: x, Close\r\n\r\n");
    assert.match(client.take(), /connection: close/);
    assert.equal(client.open, false);
    for (const connection of ["close", "Close", "x, close"]) {
      const handler = begun();
      handler.exchanges[0]!.respond(200, ["connection", connection, "content-length", "0"]);
      assert.match(handler.take(), /connection: close/);
      assert.equal(handler.open, false);
    }
  });

  it("lets a peer that takes nothing have no further ones", () => {
    const peer = new TestConnection(respondOk);
    peer.transport.full = true;
    peer.send(getRequest.repeat(100));
    assert.equal(peer.exchanges.length, 1);
    peer.transport.full = false;
    peer.connection.drained();
    assert.equal(peer.exchanges.length, 100);
  });

  it("is over for its handler once, complete or not", () => {
    const peer = new TestConnection();
    peer.send(getRequest);
    respondOk(peer.exchanges[0]!);
    peer.send(getRequest);
    peer.connection.peerEnded();
    peer.connection.lost(undefined);
    assert.deepEqual(peer.outcomes, [true, false]);
  });
});
