import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../../support/virtual-clock.ts";
import { getRequest, respondOk, TestConnection } from "./connection-fixture.ts";

const decoder = new TextDecoder();

function post(...lines: string[]): string {
  return `${["POST / HTTP/1.1", "host: a", ...lines].join("\r\n")}\r\n\r\n`;
}

const chunked = post("transfer-encoding: chunked");

async function bodyOf(peer: TestConnection): Promise<string> {
  return decoder.decode(await peer.exchanges[0]!.body!.collect());
}

describe("the body of an HTTP/1.1 request", () => {
  it("of a known length is there at once when it comes with its head", async () => {
    const peer = new TestConnection((exchange) => assert.equal(exchange.body?.ended, true));
    peer.send(`${post("content-length: 5")}hello`);
    assert.equal(await bodyOf(peer), "hello");
  });

  for (const [how, send] of [
    ["in one piece", (peer: TestConnection, text: string) => peer.send(text)],
    ["a byte at a time", (peer: TestConnection, text: string) => peer.drip(text)],
  ] as const) {
    it(`in chunks, with extensions and a trailer, is put together (${how})`, async () => {
      const peer = new TestConnection();
      send(
        peer,
        `${chunked}5;a=b;c="d"\r\nhello\r\nB\r\n, how are y\r\n2\r\nou\r\n0\r\nx-sum: 1\r\n\r\n${getRequest}`,
      );
      assert.equal(await bodyOf(peer), "hello, how are you");
      respondOk(peer.exchanges[0]!);
      assert.equal(peer.exchanges.length, 2, "the next request begins where the body ends");
    });
  }

  for (const [what, body] of [
    ["a size that is no number", "x\r\n"],
    ["no size", "\r\n"],
    ["a negative size", "-1\r\n"],
    ["a blank before a size", " 1\r\na\r\n"],
    ["a blank behind a size", "1 \r\na\r\n"],
    ["a size of more digits than a number holds", `${"0".repeat(14)}\r\n`],
    ["a chunk longer than its size", "1\r\nab\r\n"],
    ["a line feed alone behind a size", "1\na\r\n"],
    ["a line feed alone behind a chunk", "1\r\na\n"],
    ["a control character in an extension", "1;a=\x00\r\na\r\n"],
    ["a trailer that is no field", "0\r\nnothing\r\n\r\n"],
    ["a trailer that begins with a blank", "0\r\n x: y\r\n\r\n"],
    ["an endless extension", `1;${"x".repeat(20_000)}`],
    ["an endless trailer", `0\r\nx: ${"y".repeat(20_000)}`],
    ["chunks that are nearly all extension", `1;${"x".repeat(50)}\r\na\r\n`.repeat(500)],
  ] as const) {
    it(`with ${what} is refused, and its reader told`, async () => {
      const peer = new TestConnection();
      peer.send(chunked);
      const reading = assert.rejects(peer.exchanges[0]!.body!.collect(), /went away/);
      peer.send(body);
      await reading;
      assert.deepEqual(peer.statuses(), [400]);
      assert.equal(peer.open, false);
    });
  }

  it("may come in chunks of one byte", async () => {
    const peer = new TestConnection();
    const text = "x".repeat(50_000);
    peer.send(chunked);
    const collected = bodyOf(peer);
    for (let at = 0; at < text.length; at++) peer.send("1\r\nx\r\n");
    peer.send("0\r\n\r\n");
    assert.equal(await collected, text);
  });

  it("that nobody reads stops its sender, until somebody does", async () => {
    const peer = new TestConnection();
    peer.send(post("content-length: 200000"));
    for (let sent = 0; sent < 100_000; sent += 10_000) peer.send("x".repeat(10_000));
    assert.equal(peer.transport.paused, true);
    const collected = bodyOf(peer);
    assert.equal(peer.transport.paused, false);
    peer.send("x".repeat(100_000));
    assert.equal((await collected).length, 200_000);
  });

  it("that nobody read is passed over when it is short, and ends the connection when it is long", () => {
    const short = new TestConnection();
    short.send(post("content-length: 3000"));
    respondOk(short.exchanges[0]!);
    short.send("x".repeat(3_000) + getRequest);
    assert.equal(short.exchanges.length, 2);
    const long = new TestConnection();
    long.send(post("content-length: 5001"));
    respondOk(long.exchanges[0]!);
    assert.equal(long.open, false);
    const endless = new TestConnection();
    endless.send(chunked);
    respondOk(endless.exchanges[0]!);
    endless.send(`${"1000\r\n"}${"x".repeat(4_096)}\r\n`.repeat(2));
    assert.equal(endless.open, false);
  });

  it("fails for its reader when its sender goes away", async () => {
    const peer = new TestConnection();
    peer.send(`${post("content-length: 5")}he`);
    const reading = assert.rejects(bodyOf(peer), /went away/);
    peer.connection.lost(undefined);
    await reading;
  });

  describe("whose sender waits for a 100", () => {
    const expecting = post("content-length: 2", "expect: 100-continue");

    it("gets it when somebody reads", async () => {
      const peer = new TestConnection();
      peer.send(expecting);
      assert.equal(peer.take(), "");
      const collected = bodyOf(peer);
      assert.equal(peer.take(), "HTTP/1.1 100 Continue\r\n\r\n");
      peer.send("ok");
      assert.equal(await collected, "ok");
      respondOk(peer.exchanges[0]!);
      assert.match(peer.take(), /^HTTP\/1.1 200 OK\r\n[\s\S]*connection: keep-alive/);
    });

    it("gets the response alone when nobody does, and an end of the connection", () => {
      const peer = new TestConnection();
      peer.send(expecting);
      peer.exchanges[0]!.respond(413, ["content-length", "0"]);
      assert.match(peer.take(), /^HTTP\/1.1 413 [\s\S]*connection: close/);
      assert.equal(peer.open, false);
    });

    it("is told nothing when it did not wait", async () => {
      const peer = new TestConnection();
      peer.send(`${expecting}ok`);
      assert.equal(await bodyOf(peer), "ok");
      assert.equal(peer.take(), "");
    });
  });

  it("in a thousand pieces of one byte holds no more memory than its bytes", async () => {
    const peer = new TestConnection();
    peer.send(post("content-length: 10000"));
    const packet = new Uint8Array(65_536).fill(0x78);
    // Each is a view of a whole packet, as sockets give them.
    for (let at = 0; at < 10_000; at++) peer.connection.receive(packet.subarray(at, at + 1));
    const { body } = peer.exchanges[0]!;
    const buffers = new Set<ArrayBufferLike>();
    for (let chunk = await body!.read(); chunk !== undefined; chunk = await body!.read())
      buffers.add(chunk.buffer);
    await settle();
    assert.equal(buffers.has(packet.buffer), false);
    const held = [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0);
    assert.ok(held < 30_000, `${held} bytes`);
  });
});
