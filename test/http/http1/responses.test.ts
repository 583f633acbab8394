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
    respondOk(peer.streams[0]!);
    const text = peer.take();
    assert.match(text, /\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/);
    assert.equal(dateless(text), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok");
  });

  it("of unknown length goes out in chunks, the head with the first one", () => {
    const peer = begun();
    const stream = peer.streams[0]!;
    stream.respond(200, "Fine", { "x-a": ["1", "2"] }, undefined, false);
    assert.equal(peer.take(), "");
    stream.write(bytesOf("hello"));
    stream.write(bytesOf("y".repeat(9_000)));
    stream.end();
    assert.equal(
      dateless(peer.take()),
      `HTTP/1.1 200 Fine\r\nx-a: 1\r\nx-a: 2\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n5\r\nhello\r\n2328\r\n${"y".repeat(9_000)}\r\n0\r\n\r\n`,
    );
  });

  it("of unknown length ends an HTTP/1.0 connection, and when it breaks, no end looks like one", () => {
    const whole = begun(http10);
    whole.streams[0]!.respond(200, "", {}, undefined, false);
    whole.streams[0]!.write(bytesOf("hello"));
    whole.streams[0]!.end();
    assert.equal(dateless(whole.take()), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello");
    assert.equal(whole.transport.ended, true);
    const broken = begun(http10);
    broken.streams[0]!.respond(200, "", {}, undefined, false);
    broken.streams[0]!.write(bytesOf("hel"));
    broken.streams[0]!.abort();
    assert.equal(broken.transport.ended, false);
    assert.equal(broken.transport.wasReset, true);
  });

  it("to HEAD, and with 204 or 304, has no body", () => {
    const peer = begun(getRequest.replace("GET", "HEAD"));
    peer.streams[0]!.respond(200, "", { "content-length": 5 }, "hello", true);
    assert.match(peer.take(), /content-length: 5\r\n[\s\S]*\r\n\r\n$/);
    peer.send(getRequest);
    peer.streams[1]!.respond(304, "", { etag: "x" }, "hello", true);
    assert.match(peer.take(), /\r\n\r\n$/);
  });

  it("says nothing of the connection that is not this one's", () => {
    const peer = begun();
    const passedOn = {
      upgrade: "h2c",
      "keep-alive": "timeout=1",
      "transfer-encoding": "gzip",
      te: "trailers",
    };
    peer.streams[0]!.respond(200, "", { ...passedOn, "content-length": 0 }, undefined, true);
    assert.equal(
      dateless(peer.take()),
      "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n",
    );
  });

  for (const value of ["a\r\nb: c", "a\nb", "a\0", "a\x1b", "a\x7f", "ā"]) {
    it(`with a field ${JSON.stringify(value)} is not written, and another one can be`, () => {
      const peer = begun();
      const stream = peer.streams[0]!;
      assert.throws(() => stream.respond(200, "", { "x-y": value }, "ok", true), TypeError);
      assert.throws(() => stream.respond(200, value, {}, "ok", true), TypeError);
      assert.equal(peer.take(), "");
      stream.respond(500, "", { "content-length": 0 }, undefined, true);
      assert.deepEqual(peer.statuses(), [500]);
      assert.equal(peer.open, true);
    });
  }

  it("may hold text beyond ASCII in its fields, a byte a character", () => {
    const pieces: (string | Uint8Array)[] = [];
    const peer = begun();
    peer.transport.write = (written) => pieces.push(...written) > 0;
    peer.streams[0]!.respond(200, "", { "x-y": "\xfc", "content-length": 2 }, "\xfc", true);
    const [head, body] = pieces as [Uint8Array, Uint8Array];
    assert.ok(head.includes(0xfc) && !head.includes(0xc3));
    assert.deepEqual([...body], [0xc3, 0xbc]);
  });

  it("comes in the order of the requests, however they are ready", () => {
    const peer = new TestConnection();
    peer.send(getRequest.repeat(3));
    assert.equal(peer.streams.length, 1);
    for (let at = 0; at < 3; at++) peer.streams[at]!.respond(200 + at, "", {}, undefined, true);
    assert.deepEqual(peer.statuses(), [200, 201, 202]);
  });

  it("that comes late, when its exchange is over, is dropped", () => {
    const peer = new TestConnection();
    peer.send(getRequest.repeat(2));
    const [first] = peer.streams;
    respondOk(first!);
    peer.take();
    first!.respond(500, "", {}, "late", true);
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
      handler.streams[0]!.respond(200, "", { connection, "content-length": 0 }, undefined, true);
      assert.match(handler.take(), /connection: close/);
      assert.equal(handler.open, false);
    }
  });

  it("lets a peer that takes nothing have no further ones", () => {
    const peer = new TestConnection(respondOk);
    peer.transport.full = true;
    peer.send(getRequest.repeat(100));
    assert.equal(peer.streams.length, 1);
    peer.transport.full = false;
    peer.connection.drained();
    assert.equal(peer.streams.length, 100);
  });

  it("is over for its handler once, complete or not", () => {
    const told: boolean[] = [];
    const peer = new TestConnection((stream) => {
      stream.handler = { onDrain() {}, onClose: (complete) => told.push(complete) };
    });
    peer.send(getRequest);
    respondOk(peer.streams[0]!);
    peer.send(getRequest);
    peer.connection.peerEnded();
    peer.connection.lost(undefined);
    assert.deepEqual(told, [true, false]);
  });
});
