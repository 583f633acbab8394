import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { frameType, h2 } from "../../src/runtime/http2/wire/frames.ts";
import { unless } from "../support/capability.ts";
import { words } from "./grpc-wire-frames.ts";
import { frame, RawPeer } from "./http2-peer.ts";
import { Cleanup, http1, serve, settled, signal, type TestServer } from "./listener-fixture.ts";

const endStream = 0x1;
const endHeaders = 0x4;
/** A request that is answered by nothing but headers. */
const connectTarget = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "999.999.999.999"];

describe("an HTTP/2 client that means harm", unless("listen"), () => {
  const cleanup = new Cleanup();
  const perTest = new Cleanup();
  let server: TestServer;
  let release = signal();
  const connect = (): Promise<RawPeer> => RawPeer.open(perTest, server.port);

  before(async () => {
    server = await serve(cleanup, async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/large") return new Response(new Uint8Array(4_000_000));
      if (pathname === "/slow") await release.promise;
      return new Response("plain text");
    });
  });
  after(() => cleanup.run());
  // Whatever it did: nothing of it is left, and the next one is served.
  afterEach(async () => {
    await perTest.run();
    release.fire();
    assert.equal(await settled(server), 0);
    assert.equal((await http1(server.port, { path: "/text" })).text, "plain text");
    release = signal();
  });

  it("is told to calm down when it resets its streams too fast", async () => {
    const peer = await connect();
    for (let id = 1; id < 6_000; id += 2) {
      peer.get(id, "/slow");
      peer.send(frameType.rstStream, 0, id, words(h2.cancel));
    }
    assert.equal(await peer.goodbye(), h2.enhanceYourCalm);
  });

  it("is told to calm down when it makes the server reset them", async () => {
    const peer = await connect();
    for (let id = 1; id < 6_000; id += 2) {
      peer.post(id);
      peer.send(frameType.windowUpdate, 0, id, words(0));
    }
    assert.equal(await peer.goodbye(), h2.enhanceYourCalm);
  });

  it("cannot fill the memory with answers to pings that it does not read", async () => {
    const peer = await connect();
    const pings = new Uint8Array(
      Buffer.concat(Array.from({ length: 4_000 }, () => frame(frameType.ping, 0, 0, new Uint8Array(8)))),
    );
    await peer.settled();
    // What the tests before this one provoked.
    server.errors.splice(0);
    peer.socket.pause();
    const broken = new Promise<void>((resolve) => peer.socket.once("close", () => resolve()));
    let over = false;
    broken.then(() => {
      over = true;
    });
    for (let sent = 0; sent < 2_000 && !over && server.errors.length === 0; sent++) {
      if (!peer.socket.write(pings)) {
        await Promise.race([
          new Promise<void>((resolve) => peer.socket.once("drain", () => resolve())),
          broken,
          server.nextError(),
        ]);
      }
    }
    const { kind, error } = await server.nextError();
    assert.equal(kind, "protocol");
    assert.match(String(error), /not read/);
  });

  it("cannot fill the memory with answers that it does not read, however short they are", async () => {
    const peer = await connect();
    await peer.settled();
    server.errors.splice(0);
    peer.socket.pause();
    const broken = new Promise<void>((resolve) => peer.socket.once("close", () => resolve()));
    let over = false;
    broken.then(() => {
      over = true;
    });
    let id = 1;
    for (let sent = 0; sent < 2_000 && !over && server.errors.length === 0; sent++) {
      const requests = Array.from({ length: 500 }, () => {
        const request = frame(frameType.headers, endStream | endHeaders, id, peer.block([], connectTarget));
        id += 2;
        return request;
      });
      peer.write(...requests);
      if (!peer.socket.writableNeedDrain) continue;
      const drained = new Promise<void>((resolve) => peer.socket.once("drain", () => resolve()));
      await Promise.race([drained, broken, server.nextError()]);
    }
    const { kind, error } = await server.nextError();
    assert.equal(kind, "protocol");
    assert.match(String(error), /not read/);
  });

  it("is told to calm down when a header block never ends", async () => {
    const peer = await connect();
    peer.send(frameType.headers, endStream, 1, peer.block([]));
    for (let i = 0; i < 100; i++) peer.send(frameType.continuation, 0, 1);
    assert.equal(await peer.goodbye(), h2.enhanceYourCalm);
  });

  it("is told to calm down when its frames carry nothing", async () => {
    const peer = await connect();
    peer.post(1);
    for (let i = 0; i < 1_500; i++) peer.send(frameType.data, 0, 1);
    assert.equal(await peer.goodbye(), h2.enhanceYourCalm);
  });

  it("is answered 431 for headers beyond the limit, and served on the same connection", async () => {
    const peer = await connect();
    const big = Array.from({ length: 40 }, (_, i) => [`x-${i}`, "y".repeat(1_000)]).flat();
    const block = peer.block(big);
    peer.send(frameType.headers, endStream, 1, block.subarray(0, 16_000));
    for (let at = 16_000; at < block.length; at += 16_000) {
      const last = at + 16_000 >= block.length;
      peer.send(frameType.continuation, last ? endHeaders : 0, 1, block.subarray(at, at + 16_000));
    }
    const { payload } = await peer.next(frameType.headers, 1);
    assert.ok(Buffer.from(payload).includes("431"));
    peer.get(3);
    await peer.next(frameType.headers, 3);
  });

  it("gains nothing by a small block that unpacks into a large one", async () => {
    const peer = await connect();
    // The first request puts 4 000 bytes into the table, the second one names them a thousand times.
    const value = "z".repeat(250);
    peer.send(frameType.headers, endStream | endHeaders, 1, peer.block(["x-bomb", value]));
    await peer.next(frameType.headers, 1);
    const bomb = peer.block(Array.from({ length: 1_000 }, () => ["x-bomb", value]).flat());
    assert.ok(bomb.length < 1_500, `${bomb.length} bytes`);
    peer.send(frameType.headers, endStream | endHeaders, 3, bomb);
    const { payload } = await peer.next(frameType.headers, 3);
    assert.ok(Buffer.from(payload).includes("431"));
    peer.get(5);
    await peer.next(frameType.headers, 5);
  });

  it("holds no more than its window when it does not read", async () => {
    const peer = await connect();
    peer.send(frameType.settings, 0, 0, new Uint8Array([0, 4, 0, 0, 0, 0]));
    peer.get(1, "/large");
    await peer.next(frameType.headers, 1);
    await peer.settled();
    assert.equal(peer.has(frameType.data, 1), false);
    peer.send(frameType.windowUpdate, 0, 1, words(10));
    assert.equal((await peer.next(frameType.data, 1)).payload.length, 10);
    peer.send(frameType.rstStream, 0, 1, words(h2.cancel));
  });

  it("is refused the streams beyond the limit, and keeps the others", async () => {
    const peer = await connect();
    for (let i = 0; i < 1_000; i++) peer.get(1 + 2 * i, "/slow");
    peer.get(2_001, "/slow");
    assert.equal(await peer.reset(2_001), h2.refusedStream);
    release.fire();
    await peer.next(frameType.headers, 1_999);
  });

  it("is cut off when it sends more than it may", async () => {
    const peer = await connect();
    peer.post(1);
    for (let i = 0; i < 20; i++) peer.send(frameType.data, 0, 1, new Uint8Array(16_384));
    assert.equal(await peer.reset(1), h2.flowControlError);
    peer.get(3);
    await peer.next(frameType.headers, 3);
  });

  it("may break off in the middle of a frame", async () => {
    for (const length of [1, 8, 9, 12]) {
      const peer = await connect();
      peer.get(1, "/slow");
      peer.write(frame(frameType.headers, endHeaders, 3, peer.block(["x", "y"])).subarray(0, length));
      peer.socket.end();
      while (!peer.closed) await new Promise((resolve) => setImmediate(resolve));
    }
  });

  const fatal: readonly (readonly [what: string, code: number, act: (peer: RawPeer) => void])[] = [
    [
      "a frame that is too long",
      h2.frameSizeError,
      (peer) => peer.write(new Uint8Array([255, 255, 255, 0, 0, 0, 0, 0, 1])),
    ],
    [
      "a header block that is garbage",
      h2.compressionError,
      (peer) => peer.send(1, 5, 1, new Uint8Array(9).fill(255)),
    ],
    [
      "a header block that another frame interrupts",
      h2.protocolError,
      (peer) => {
        peer.send(1, endStream, 1, peer.block([]));
        peer.send(frameType.ping, 0, 0, new Uint8Array(8));
      },
    ],
    [
      "data on a stream that nobody opened",
      h2.protocolError,
      (peer) => peer.send(0, endStream, 1, new Uint8Array(3)),
    ],
    ["a stream with the number of a server's", h2.protocolError, (peer) => peer.get(2)],
    [
      "a stream with a number that was used",
      h2.streamClosed,
      (peer) => {
        peer.get(3);
        peer.get(1);
      },
    ],
    [
      "a window that grows too large",
      h2.flowControlError,
      (peer) => {
        for (let i = 0; i < 2; i++) peer.send(frameType.windowUpdate, 0, 0, words(0x7fffffff));
      },
    ],
    [
      "a window that grows by nothing",
      h2.protocolError,
      (peer) => peer.send(frameType.windowUpdate, 0, 0, words(0)),
    ],
    [
      "a setting out of range",
      h2.protocolError,
      (peer) => peer.send(4, 0, 0, new Uint8Array([0, 5, 0, 0, 0, 1])),
    ],
    [
      "a promise, which only servers make",
      h2.protocolError,
      (peer) => peer.send(frameType.pushPromise, 4, 1, words(2)),
    ],
    [
      "padding longer than the frame",
      h2.protocolError,
      (peer) => {
        peer.post(1);
        peer.send(frameType.data, 0x8, 1, new Uint8Array([9, 1, 2]));
      },
    ],
  ];
  for (const [what, code, act] of fatal) {
    it(`loses the connection for ${what}`, async () => {
      const peer = await connect();
      act(peer);
      assert.equal(await peer.goodbye(), code);
    });
  }

  const path = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"];
  const malformed: readonly (readonly [
    what: string,
    fields: readonly string[],
    pseudo?: readonly string[],
  ])[] = [
    ["a name in capitals", ["X-Name", "1"]],
    ["a field of HTTP/1.1 connections", ["connection", "close"]],
    ["transfer-encoding", ["transfer-encoding", "chunked"]],
    ["te that asks for anything but trailers", ["te", "gzip"]],
    ["a name with a space in it", ["x name", "1"]],
    ["an empty name", ["", "1"]],
    ["a value that ends in a space", ["x", "1 "]],
    ["no path", [], [":method", "GET", ":scheme", "http"]],
    ["no method", [], [":path", "/", ":scheme", "http"]],
    ["an empty path", [], [":method", "GET", ":scheme", "http", ":path", ""]],
    ["two paths", [], [...path, ":path", "/admin"]],
    ["a pseudo-header of answers", [], [...path, ":status", "200"]],
    ["a pseudo-header behind a field", ["x", "1", ":path", "/admin"]],
    ["a length without a body", ["content-length", "5"]],
    ["a length that is no number", ["content-length", "-1"]],
    ["two lengths", ["content-length", "0", "content-length", "1"]],
  ];
  for (const [what, fields, pseudo] of malformed) {
    it(`has a request with ${what} refused, and is served on the same connection`, async () => {
      const peer = await connect();
      peer.send(frameType.headers, endStream | endHeaders, 1, peer.block(fields, pseudo));
      assert.equal(await peer.reset(1), h2.protocolError);
      peer.get(3);
      await peer.next(frameType.headers, 3);
    });
  }

  it("has a body refused that is longer or shorter than it said", async () => {
    const peer = await connect();
    peer.post(1, "/slow", ["content-length", "3"]);
    peer.send(frameType.data, 0, 1, new Uint8Array(4));
    assert.equal(await peer.reset(1), h2.protocolError);
    peer.post(3, "/slow", ["content-length", "3"]);
    peer.send(frameType.data, endStream, 3, new Uint8Array(2));
    assert.equal(await peer.reset(3), h2.protocolError);
  });

  it("has a line break in a value refused", async () => {
    const peer = await connect();
    // By hand: the encoder would not write it.
    const literal = new Uint8Array([0x00, 1, 0x78, 3, 0x61, 0x0d, 0x0a]);
    peer.send(frameType.headers, endStream | endHeaders, 1, new Uint8Array([...peer.block([]), ...literal]));
    assert.equal(await peer.reset(1), h2.protocolError);
  });
});
