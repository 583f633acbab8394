import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytesOf, getRequest, respondOk, TestConnection } from "./connection-fixture.ts";

const halfRequest = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf";
const halfChunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";

describe("an HTTP/1.1 exchange", () => {
  for (const [what, end] of [
    ["its client leaves", (peer: TestConnection) => peer.connection.peerEnded()],
    ["its connection breaks", (peer: TestConnection) => peer.connection.lost(undefined)],
    ["its rest never comes", (peer: TestConnection) => peer.pass(1_000)],
    ["its rest is malformed", (peer: TestConnection) => peer.send("no chunk")],
  ] as const) {
    it(`whose response was complete stays so when ${what}`, () => {
      const peer = new TestConnection(respondOk);
      peer.send(halfChunked);
      end(peer);
      assert.deepEqual(peer.outcomes, [true]);
      assert.equal(peer.transport.wasReset, false);
      assert.deepEqual(peer.statuses(), [200]);
    });
  }

  it("tells the reader of a request that the rest will not come, although the response was complete", async () => {
    let reading: Promise<unknown> | undefined;
    const peer = new TestConnection((exchange) => {
      reading = exchange.body?.collect();
      reading?.catch(() => {});
      exchange.respond(200, ["content-length", "2", "connection", "close"], "ok");
    });
    peer.send(halfRequest);
    await assert.rejects(reading!, /went away/);
  });

  it("hands a long response over in parts, as fast as its client takes them", () => {
    const long = "x".repeat(1_000_000);
    const peer = new TestConnection((exchange) => {
      exchange.respond(200, ["content-length", String(long.length)], long);
    });
    peer.transport.full = true;
    peer.send(getRequest + getRequest);
    assert.ok(peer.transport.waitingBytes < 200_000);
    while (peer.outcomes.length < 2) {
      // Slow, but it takes what it must in its time.
      peer.pass(120_000, () => {
        peer.transport.waitingBytes = Math.max(0, peer.transport.waitingBytes - 1_200);
      });
      assert.equal(peer.open, true);
      if (peer.transport.waitingBytes === 0) peer.connection.drained();
    }
    const { written } = peer.transport;
    assert.equal(written.match(/HTTP\/1\.1 200/g)?.length, 2);
    assert.equal(written.indexOf("HTTP/1.1", 10) - written.indexOf("\r\n\r\n") - 4, long.length);
    assert.deepEqual(peer.outcomes, [true, true]);
  });

  it("hands a long piece of a exchange over in parts, and what follows it behind them", () => {
    let drains = 0;
    const peer = new TestConnection();
    peer.send(getRequest);
    const exchange = peer.exchanges[0]!;
    exchange.whenDrained(() => drains++);
    peer.transport.full = true;
    exchange.begin(200, []);
    assert.equal(exchange.write(bytesOf("a".repeat(300_000))), false);
    peer.connection.drained();
    assert.equal(drains, 0, "the rest of the piece comes first");
    peer.transport.full = false;
    peer.connection.drained();
    assert.equal(drains, 1);
    exchange.write(bytesOf("b"));
    exchange.end();
    const body = peer.take().split("\r\n\r\n").slice(1).join("\r\n\r\n");
    assert.equal(body.replace(/[^ab]/g, "").length > 300_000, true);
    assert.match(body, /a\r\n1\r\nb\r\n0\r\n\r\n$/);
  });
});

describe("an idle HTTP/1.1 connection", () => {
  it("is not kept by empty lines", () => {
    const peer = new TestConnection(respondOk);
    peer.send(getRequest);
    peer.pass(75_000, () => peer.send("\r\n"));
    assert.equal(peer.open, false);
  });

  it("is not idle while its client still takes a response", () => {
    const peer = new TestConnection((exchange) => {
      exchange.respond(200, ["content-length", "90000"], "x".repeat(90_000));
    });
    peer.transport.full = true;
    peer.send(getRequest);
    peer.pass(80_000, () => {
      peer.transport.waitingBytes -= 1_000;
    });
    peer.transport.waitingBytes = 0;
    peer.connection.drained();
    assert.equal(peer.open, true, "the client may use it again");
    peer.pass(75_000);
    assert.equal(peer.open, false);
  });
});

describe("a response to HEAD", () => {
  it("has no body, whatever is written", () => {
    const peer = new TestConnection((exchange) => {
      exchange.begin(200, []);
      exchange.write(bytesOf("body"));
      exchange.end();
    });
    peer.send(`HEAD / HTTP/1.1\r\nhost: a\r\n\r\n${getRequest}`);
    const text = peer.take();
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n(?:[a-z].*\r\n)+\r\nHTTP\/1\.1 200 OK/);
  });
});
