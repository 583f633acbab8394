import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, h2 } from "../../../src/http/http2/frame/frame-types.ts";
import { words } from "../../rpc/client/grpc-frames.ts";
import { unless } from "../../support/capability.ts";
import { endHeaders, endStream, frame } from "./connection-fixture.ts";
import { attackedServer } from "./http2-peer.ts";

/** A request whose response is nothing but headers. */
const connectTarget = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "999.999.999.999"];

describe("an HTTP/2 client that means harm", unless("listen"), () => {
  const attacked = attackedServer();
  const { connect } = attacked;

  it("is told to calm down when it resets its streams too fast", async () => {
    const peer = await connect();
    for (let id = 1; id < 6_000; id += 2) {
      peer.get(id, "/slow");
      peer.send(frameType.rstStream, 0, id, words(h2.cancel));
    }
    assert.equal(await peer.goodbye(), h2.enhanceYourCalm);
  });

  it("is told to calm down when it resets most of them, and lets the others be responded to", async () => {
    const peer = await connect();
    for (let id = 1; id < 60_000 && !peer.closed; id += 600) {
      for (let at = 0; at < 400; at += 2) {
        peer.get(id + at, "/slow");
        peer.send(frameType.rstStream, 0, id + at, words(h2.cancel));
      }
      for (let at = 400; at < 600; at += 2) peer.get(id + at, "/text");
      // Fails when the server has closed.
      await peer.next(frameType.data, id + 598).catch(() => undefined);
    }
    assert.equal(await peer.goodbye(), h2.enhanceYourCalm);
  });

  it("is not meant when more of its streams are responded to than reset, fast as they are", async () => {
    const peer = await connect();
    let id = 1;
    for (let round = 0; round < 4; round++) {
      const sentRequest = Array.from({ length: 500 }, (_, at) => id + 2 * at);
      for (const each of sentRequest) peer.get(each, "/text");
      for (const each of sentRequest) await peer.next(frameType.data, each);
      id += 1_000;
      for (let at = 0; at < 450; at++, id += 2) {
        peer.get(id, "/slow");
        peer.send(frameType.rstStream, 0, id, words(h2.cancel));
      }
    }
    await peer.settled();
    assert.equal(peer.closed, false);
  });

  it("is told to calm down when it pings without end, though it reads the responses", async () => {
    const peer = await connect();
    for (let sent = 0; sent < 5_000 && !peer.closed; sent += 100) {
      for (let at = 0; at < 100; at++) peer.send(frameType.ping, 0, 0, words(1, 2));
      await peer.settled().catch(() => undefined);
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

  it("cannot fill the memory with acknowledgements of pings that it does not read", async () => {
    const peer = await connect();
    const pings = new Uint8Array(
      Buffer.concat(Array.from({ length: 4_000 }, () => frame(frameType.ping, 0, 0, new Uint8Array(8)))),
    );
    await peer.settled();
    // What the tests before this one provoked.
    attacked.server.errors.splice(0);
    peer.socket.pause();
    const broken = new Promise<void>((resolve) => peer.socket.once("close", () => resolve()));
    let over = false;
    broken.then(() => {
      over = true;
    });
    for (let sent = 0; sent < 2_000 && !over && attacked.server.errors.length === 0; sent++) {
      if (!peer.socket.write(pings)) {
        await Promise.race([
          new Promise<void>((resolve) => peer.socket.once("drain", () => resolve())),
          broken,
          attacked.server.nextError(),
        ]);
      }
    }
    const { kind, error } = await attacked.server.nextError();
    assert.equal(kind, "protocol");
    assert.match(String(error), /too often/);
  });

  it("cannot fill the memory with responses that it does not read, however short they are", async () => {
    const peer = await connect();
    await peer.settled();
    attacked.server.errors.splice(0);
    peer.socket.pause();
    const broken = new Promise<void>((resolve) => peer.socket.once("close", () => resolve()));
    let over = false;
    broken.then(() => {
      over = true;
    });
    let id = 1;
    for (let sent = 0; sent < 2_000 && !over && attacked.server.errors.length === 0; sent++) {
      const requests = Array.from({ length: 500 }, () => {
        const request = frame(frameType.headers, endStream | endHeaders, id, peer.block([], connectTarget));
        id += 2;
        return request;
      });
      peer.write(...requests);
      if (!peer.socket.writableNeedDrain) continue;
      const drained = new Promise<void>((resolve) => peer.socket.once("drain", () => resolve()));
      await Promise.race([drained, broken, attacked.server.nextError()]);
    }
    const { kind, error } = await attacked.server.nextError();
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

  it("gets 431 for headers beyond the limit, and served on the same connection", async () => {
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
    attacked.release();
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
});
