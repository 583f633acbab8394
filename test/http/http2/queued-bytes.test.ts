import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteQueue } from "../../../src/http/byte-queue.ts";
import { frameType, h2, setting } from "../../../src/http/http2/frame/frame-types.ts";
import { seededRandom } from "../../support/random.ts";
import { settle } from "../../support/virtual-clock.ts";
import {
  carry,
  endStream,
  frame,
  getFields,
  Log,
  okFields,
  Played,
  pairOf,
  postFields,
  settingsOf,
  words,
  zeros,
} from "./connection-fixture.ts";
import { concat } from "./held-transport.ts";

/** Byte n is n, as far as a byte goes. */
function numbered(start: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => start + at);
}

describe("ByteQueue", () => {
  for (const seed of [1, 2, 3]) {
    it(`gives back what it was given, in order, in whatever pieces (seed ${seed})`, () => {
      const random = seededRandom(seed);
      const queue = new ByteQueue();
      let [pushed, taken] = [0, 0];
      for (let round = 0; round < 5_000; round++) {
        if (random() < 0.6) {
          const length = 1 + Math.floor(random() ** 4 * 3_000);
          if (random() < 0.5) queue.push(numbered(pushed, length));
          else queue.copy(numbered(pushed - 7, length + 10), 7, length + 7);
          pushed += length;
        } else if (queue.length > 0) {
          const first = queue.first();
          const part = random() < 0.5 ? first.length : 1 + Math.floor(random() * first.length);
          assert.deepEqual(first.subarray(0, part), numbered(taken, part));
          queue.drop(part);
          taken += part;
        }
        assert.equal(queue.length, pushed - taken);
      }
    });
  }
});

describe("an upload in one-byte frames", () => {
  const byte = frame(frameType.data, 0, 1, zeros(1));
  const many = concat(Array.from({ length: 1_000 }, () => byte));

  it("is handed over in few pieces when a pause ends, and no sooner", async () => {
    const server = new Played("server", { streamWindowBytes: 65_535 });
    server.headers(1, postFields, false);
    const { stream, log } = server.side.host.streams[0]!;
    stream.pause();
    for (let turn = 0; turn < 60; turn++) server.side.connection.receive(many);
    assert.deepEqual(log.events, []);
    stream.resume();
    await settle();
    assert.equal(log.bytes, 60_000);
    assert.ok(log.events.length < 20, `${log.events.length} pieces`);
    // Only now may the client send on.
    assert.deepEqual(server.told(), ["windowUpdate 1"]);
  });

  it("is handed over in few pieces even when it is read at once", () => {
    const server = new Played("server");
    server.headers(1, postFields, false);
    server.headers(3, postFields, false);
    const other = frame(frameType.data, 0, 3, zeros(1));
    server.side.connection.receive(concat(Array.from({ length: 1_000 }, () => concat([byte, other]))));
    for (const { log } of server.side.host.streams) {
      assert.equal(log.bytes, 1_000);
      assert.ok(log.events.length < 12, `${log.events.length} pieces`);
    }
  });

  it("keeps its order when more comes before it was handed over", async () => {
    const server = new Played("server");
    server.headers(1, postFields, false);
    const { stream, log } = server.side.host.streams[0]!;
    const got: number[] = [];
    log.onData = (chunk) => got.push(...chunk);
    stream.pause();
    server.send(frameType.data, 0, 1, numbered(0, 3));
    stream.resume();
    server.send(frameType.data, 0, 1, numbered(3, 3));
    await settle();
    stream.pause();
    server.send(frameType.data, 0, 1, numbered(6, 2));
    server.send(frameType.data, endStream, 1, numbered(8, 2));
    assert.deepEqual(got, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(log.events, ["end"]);
  });

  for (const [how, end] of [
    ["its end", (server: Played) => server.send(frameType.data, endStream, 1)],
    ["trailers", (server: Played) => server.headers(1, ["x", "1"], true)],
    ["a reset", (server: Played) => server.send(frameType.rstStream, 0, 1, words(h2.cancel))],
  ] as const) {
    it(`is handed over before ${how}`, () => {
      const server = new Played("server");
      server.headers(1, postFields, false);
      const { stream, log } = server.side.host.streams[0]!;
      stream.pause();
      server.send(frameType.data, 0, 1, zeros(3));
      server.send(frameType.data, 0, 1, zeros(3));
      end(server);
      assert.equal(log.events[0], "data 6");
      assert.ok(log.events.length > 1);
    });
  }

  it("stops the connection's credit at 16 MiB in all", () => {
    const server = new Played("server", {
      maxStreams: 1_000,
      streamWindowBytes: 262_144,
      connectionWindowBytes: 1024 * 1024,
    });
    server.side.host.serve = (stream) => stream.pause();
    let allowed = 1024 * 1024;
    let sent = 0;
    for (let id = 1; allowed >= 65_535 && id < 2_000; id += 2) {
      server.headers(id, postFields, false);
      for (let turn = 0; turn < 4 && allowed >= 65_535; turn++) {
        server.send(frameType.data, 0, id, zeros(65_535));
        allowed -= 65_535;
        sent += 65_535;
        for (const { type, id: of, payload } of server.sent()) {
          if (type === frameType.windowUpdate && of === 0)
            allowed += new DataView(payload.buffer, payload.byteOffset).getUint32(0);
        }
      }
    }
    assert.ok(sent > 16 * 1024 * 1024 && sent < 18 * 1024 * 1024, `${sent} bytes`);
  });
});

describe("bodies that a peer asks for and does not take", () => {
  const maxQueuedBytes = 1_000_000;

  it("are bounded for a connection, at the cost of those that wait longest for their own window", () => {
    const server = new Played("server", { maxQueuedBytes });
    server.send(frameType.settings, 0, 0, settingsOf([setting.initialWindowSize, 0]));
    for (let id = 1; id < 60; id += 2) server.headers(id, getFields, true);
    const { streams } = server.side.host;
    server.sent();
    for (const { stream } of streams) {
      stream.respond(okFields, false);
      stream.write(zeros(100_000), true);
      assert.ok(server.side.connection.queuedBytes <= maxQueuedBytes);
    }
    assert.equal(server.side.connection.queuedBytes, maxQueuedBytes);
    const resets = server.told().filter((each) => each.startsWith("reset"));
    assert.deepEqual(
      resets,
      Array.from({ length: 20 }, (_, at) => `reset ${1 + 2 * at} enhanceYourCalm`),
    );
    assert.equal(server.side.host.closed, 0);
    for (const { stream } of streams) if (!stream.closed) stream.close(h2.cancel);
    assert.equal(server.side.connection.queuedBytes, 0);
  });

  it("are bounded when it is the connection's window that is empty, at the cost of the last one", () => {
    const server = new Played("server", { maxQueuedBytes });
    for (let id = 1; id < 200; id += 2) server.headers(id, getFields, true);
    const written = server.side.host.streams.map(({ stream }) => {
      stream.respond(okFields, false);
      return stream.write(zeros(60_000), true);
    });
    assert.ok(server.side.connection.queuedBytes <= 4 * maxQueuedBytes + 60_000);
    assert.equal(written.includes(false), true);
    const left = server.side.host.streams.filter(({ stream }) => !stream.closed).length;
    assert.ok(left >= 67 && left <= 69, `${left} streams`);
  });

  it("leave no room for new requests, which are refused as never started", () => {
    const server = new Played("server", { maxQueuedBytes });
    server.headers(1, getFields, true);
    server.side.host.streams[0]!.stream.respond(okFields, false);
    server.side.host.streams[0]!.stream.write(zeros(5_000_000), true);
    server.sent();
    server.headers(3, getFields, true);
    assert.deepEqual(server.told(), ["reset 3 refusedStream"]);
    server.send(frameType.windowUpdate, 0, 0, words(1_500_000));
    server.send(frameType.windowUpdate, 0, 1, words(1_500_000));
    server.headers(5, getFields, true);
    assert.equal(server.side.host.streams.length, 2);
  });

  it("leave room for many long ones that are ready at once, of a peer that takes them", () => {
    const { client, server } = pairOf({}, { maxQueuedBytes });
    server.host.serve = () => {};
    const logs = Array.from({ length: 30 }, () => {
      const log = new Log();
      client.connection.request(getFields, log).end();
      return log;
    });
    carry(client, server);
    for (const { stream } of server.host.streams) {
      stream.respond(okFields, false);
      stream.write(zeros(120_000), true);
    }
    assert.ok(server.connection.queuedBytes > 2 * maxQueuedBytes, `${server.connection.queuedBytes} bytes`);
    carry(client, server);
    assert.deepEqual(
      logs.map((log) => log.bytes),
      logs.map(() => 120_000),
    );
    assert.equal(server.connection.queuedBytes, 0);
  });

  it("may be as large as they are when there is but one", () => {
    const { client, server } = pairOf({}, { maxQueuedBytes: 1_000 });
    server.host.serve = (stream) => {
      stream.respond(okFields, false);
      stream.write(zeros(5_000_000), true);
    };
    const log = new Log();
    client.connection.request(getFields, log).end();
    carry(client, server);
    assert.equal(log.bytes, 5_000_000);
    assert.equal(log.events.at(-1), "close");
    assert.equal(server.connection.queuedBytes, 0);
  });

  it("make a client's own request fail, with a reason", () => {
    const client = new Played("client", { maxQueuedBytes });
    const streams = [1, 2, 3].map(() => client.side.connection.request(postFields, new Log()));
    for (const stream of streams) stream.write(zeros(2_400_000), true);
    assert.deepEqual(
      streams.map(({ closeReason }) => closeReason),
      ["own-reset", undefined, undefined],
    );
    assert.match(String(streams[0]!.failure), /More than 1000000 bytes wait/);
    assert.ok(client.side.connection.queuedBytes <= 5 * maxQueuedBytes);
  });

  it("are put together when they come in small pieces", () => {
    const client = new Played("client");
    client.send(frameType.settings, 0, 0, settingsOf([setting.initialWindowSize, 0]));
    const stream = client.side.connection.request(postFields, new Log());
    for (let turn = 0; turn < 1_000; turn++) stream.writeMessage(0, zeros(5));
    client.sent();
    client.send(frameType.windowUpdate, 0, 1, words(20_000));
    const frames = client.sent().filter(({ type }) => type === frameType.data);
    assert.ok(frames.length < 20, `${frames.length} frames`);
    assert.equal(stream.queuedBytes, 0);
  });
});
