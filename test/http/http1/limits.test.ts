import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytesOf, getRequest, respondOk, TestConnection } from "./connection-fixture.ts";

describe("an HTTP/1.1 connection", () => {
  it("that says nothing ends after the time for first bytes", () => {
    const peer = new TestConnection(respondOk);
    peer.pass(9_000);
    assert.equal(peer.open, true);
    peer.pass(1_000);
    assert.equal(peer.open, false);
  });

  it("that brings a head a line a second gets 408 when its time is over", () => {
    const peer = new TestConnection(respondOk);
    peer.send("GET / HTTP/1.1\r\n");
    peer.pass(14_000, () => peer.send("x: y\r\n"));
    assert.equal(peer.open, true);
    peer.pass(1_000);
    assert.deepEqual(peer.statuses(), [408]);
    assert.equal(peer.open, false);
  });

  it("that is idle after a request ends after the time for that", () => {
    const peer = new TestConnection(respondOk);
    peer.send(getRequest);
    peer.pass(74_000);
    peer.send(getRequest);
    peer.pass(74_000);
    assert.equal(peer.open, true);
    peer.pass(1_000);
    assert.equal(peer.open, false);
  });

  it("waits for its handler as long as that takes", () => {
    const peer = new TestConnection();
    peer.send(getRequest);
    peer.pass(3_600_000);
    respondOk(peer.exchanges[0]!);
    assert.deepEqual(peer.statuses(), [200]);
  });

  it("whose body of known length comes in drops gets 408", () => {
    const peer = new TestConnection((exchange) => void exchange.body?.collect().catch(() => {}));
    peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n");
    peer.pass(120_000, () => peer.send("x".repeat(20)));
    assert.equal(peer.open, true, "20 bytes a second are enough");
    peer.pass(61_000, () => peer.send("x"));
    assert.deepEqual(peer.statuses(), [408]);
    assert.equal(peer.open, false);
  });

  it("whose body has no known length may be slow, but not silent", () => {
    const peer = new TestConnection((exchange) => void exchange.body?.collect().catch(() => {}));
    peer.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    for (let minute = 0; minute < 30; minute++) {
      peer.send("1\r\nx\r\n");
      peer.pass(60_000);
    }
    assert.equal(peer.open, true);
    peer.pass(600_000);
    assert.deepEqual(peer.statuses(), [408]);
  });

  it("does not blame its peer for a handler that does not read", () => {
    const peer = new TestConnection();
    peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n");
    peer.send("x".repeat(70_000));
    assert.equal(peer.transport.paused, true);
    peer.pass(3_600_000);
    assert.equal(peer.open, true);
  });

  it("whose peer takes a response in drops ends", () => {
    const peer = new TestConnection();
    peer.send(getRequest);
    peer.transport.full = true;
    peer.exchanges[0]!.begin(200, []);
    peer.exchanges[0]!.write(bytesOf("x".repeat(50_000)));
    peer.pass(600_000, () => {
      peer.transport.waitingBytes -= 10;
    });
    assert.equal(peer.open, true, "10 bytes a second are enough");
    peer.pass(301_000, () => {
      peer.transport.waitingBytes -= 2;
    });
    assert.equal(peer.transport.wasReset, true);
    assert.deepEqual(peer.errors, ["The peer takes the response too slowly"]);
  });

  it("whose peer takes the last response not at all ends, too", () => {
    const peer = new TestConnection((exchange) => {
      exchange.respond(200, ["content-length", "9000"], "x".repeat(9_000));
    });
    peer.transport.full = true;
    peer.send(getRequest);
    peer.pass(301_000);
    assert.equal(peer.open, false);
  });

  it("whose rest of a request does not come after the response ends within its time", () => {
    const peer = new TestConnection(respondOk);
    peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n");
    assert.equal(peer.open, true);
    peer.pass(1_000);
    assert.equal(peer.open, false);
    peer.pass(1_000);
    assert.equal(peer.transport.closed, true);
  });

  it("listens on for a while after its last response, so that the response is not taken back", () => {
    const peer = new TestConnection(respondOk);
    peer.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert.deepEqual([peer.transport.ended, peer.transport.closed], [true, false]);
    peer.send("still sending");
    assert.equal(peer.transport.closed, false);
    peer.pass(1_000);
    assert.equal(peer.transport.closed, true);
  });

  it("lets a slow peer have its last response to the end", () => {
    const peer = new TestConnection((exchange) => {
      exchange.respond(200, ["content-length", "9000"], "x".repeat(9_000));
    });
    peer.transport.full = true;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    peer.pass(200_000, () => {
      peer.transport.waitingBytes -= 40;
    });
    assert.deepEqual([peer.transport.closed, peer.transport.wasReset], [false, false]);
    peer.transport.waitingBytes = 0;
    peer.pass(1_000);
    assert.deepEqual([peer.transport.closed, peer.transport.wasReset], [true, false]);
  });

  it("whose response hangs while pipelined requests wait ends, because nobody would hear that its peer has left", () => {
    const peer = new TestConnection((exchange) => {
      exchange.begin(200, []);
      exchange.flush();
    });
    peer.send(getRequest + getRequest.repeat(200));
    assert.equal(peer.transport.paused, true);
    peer.pass(290_000);
    peer.exchanges[0]!.write(bytesOf("an event"));
    peer.pass(290_000);
    assert.equal(peer.open, true);
    peer.pass(310_000);
    assert.equal(peer.transport.wasReset, true);
    assert.equal(peer.exchanges[0]!.closed, true);
  });

  it("whose response hangs while its body waits unread ends likewise; a handler that has not responded has time", () => {
    const peers = [true, false].map((responds) => {
      const peer = new TestConnection((exchange) => {
        if (responds) exchange.begin(200, []);
      });
      peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n");
      peer.send("x".repeat(70_000));
      assert.equal(peer.transport.paused, true);
      peer.pass(610_000);
      return peer;
    });
    assert.deepEqual(
      peers.map((peer) => peer.open),
      [false, true],
    );
  });

  it("that drains serves what is on its way, says that it is the last, and ends when it is idle", () => {
    const peer = new TestConnection(respondOk);
    peer.send(getRequest);
    peer.take();
    peer.connection.drain();
    assert.equal(peer.open, true);
    peer.send(getRequest);
    assert.match(peer.take(), /connection: close/);
    assert.equal(peer.open, false);
    const idle = new TestConnection(respondOk);
    idle.connection.drain();
    idle.connection.endIfIdle();
    assert.equal(idle.open, false);
  });

  it("whose handler throws ends, and tells why", () => {
    const peer = new TestConnection(() => {
      throw new Error("handler");
    });
    peer.send(getRequest);
    assert.equal(peer.open, false);
    assert.deepEqual(peer.errors, ["handler"]);
  });
});
