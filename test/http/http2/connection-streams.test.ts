import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, maxInt31, preface, setting } from "../../../src/http/http2/frame/frame-types.ts";
import { settle } from "../../support/virtual-clock.ts";
import {
  carry,
  frame,
  getFields,
  Log,
  okFields,
  Played,
  padded,
  pairOf,
  postFields,
  settingsOf,
  sideOf,
  words,
} from "./connection-fixture.ts";
import { concat } from "./held-transport.ts";

const text = (length: number): Uint8Array => new Uint8Array(length).fill(0x61);

describe("two HTTP/2 connections", () => {
  it("carry a request and its response, and nothing is left", () => {
    const { client, server } = pairOf();
    server.host.serve = (stream, _fields, log) => {
      log.act = (event) => {
        if (event !== "end") return;
        stream.respond(okFields, false);
        stream.write(text(10));
        stream.endWithTrailers(["x-sum", "10"]);
      };
    };
    const log = new Log();
    const stream = client.connection.request(postFields, log);
    stream.write(text(5));
    stream.end();
    carry(client, server);
    assert.deepEqual(server.host.streams[0]?.fields, postFields);
    assert.deepEqual(server.host.streams[0]?.log.events, ["data 5", "end", "close"]);
    assert.deepEqual(log.events, ["headers 200", "data 10", "trailers x-sum=10", "end", "close"]);
    assert.equal(stream.closeReason, "complete");
    assert.equal(client.connection.streams.size + server.connection.streams.size + server.host.open, 0);
  });

  it("carry a megabyte each way through small windows, and tell the writer when there is room", () => {
    const { client, server } = pairOf({}, { connectionWindowBytes: 70_000 });
    const total = 1024 * 1024;
    server.host.serve = (stream, _fields, log) => {
      stream.respond(okFields, false);
      let left = total;
      log.act = (event) => {
        if (event !== "drain") return;
        while (left > 0 && stream.write(text(1_000), left === 1_000)) left -= 1_000;
        left -= 1_000;
      };
      assert.equal(stream.write(text(left % 1_000)), true);
      left -= left % 1_000;
      log.act("drain");
    };
    const log = new Log();
    const stream = client.connection.request(postFields, log);
    stream.write(text(total), true);
    carry(client, server);
    assert.equal(server.host.streams[0]?.log.bytes, total);
    assert.equal(log.bytes, total);
    assert.equal(log.events.at(-1), "close");
    assert.equal(stream.queuedBytes, 0);
  });

  it("hold a paused stream back, and nothing else", async () => {
    const { client, server } = pairOf();
    const slow = new Log();
    server.host.serve = (stream) => {
      stream.respond(okFields, false);
      stream.write(text(200_000), true);
    };
    const first = client.connection.request(getFields, slow);
    first.pause();
    first.end();
    carry(client, server);
    assert.deepEqual(slow.events, ["headers 200"]);
    const other = new Log();
    client.connection.request(getFields, other).end();
    carry(client, server);
    assert.equal(other.bytes, 200_000);
    first.resume();
    await settle();
    carry(client, server);
    assert.equal(slow.bytes, 200_000);
  });
});

describe("a chunk of an HTTP/2 connection", () => {
  const { connection, transport } = sideOf("client");
  const log = new Log();
  const stream = connection.request([...postFields, "x-long", "y".repeat(70_000)], log);
  stream.write(text(300));
  stream.writeMessage(0, text(20));
  stream.endWithTrailers(["x-end", "1"]);
  connection.frameWriter.flush();
  const ping = frame(frameType.ping, 0, 0, text(8));
  const bytes = concat([transport.take(), ping]);
  connection.destroy();

  // Every size up to one that cuts each frame in its header; larger ones cut payloads.
  for (const size of [1, 2, 3, 5, 7, 8, 9, 10, 13, 64, 1_000, 16_384, bytes.length]) {
    it(`may be of ${size} bytes`, () => {
      const server = sideOf("server", { maxHeaderListBytes: 100_000 });
      for (let at = 0; at < bytes.length; at += size) server.connection.receive(bytes.slice(at, at + size));
      const { fields, log: seen } = server.host.streams[0]!;
      assert.equal(fields.length, postFields.length + 2);
      assert.equal(seen.bytes, 325);
      assert.deepEqual(seen.events.slice(-2), ["trailers x-end=1", "end"]);
      assert.equal(server.host.error, undefined);
    });
  }

  it("may end anywhere", () => {
    const short = concat([preface, frame(frameType.settings), frame(frameType.ping, 0, 0, text(8))]);
    for (let cut = 0; cut <= short.length; cut++) {
      const server = sideOf("server");
      server.connection.receive(short.slice(0, cut));
      server.connection.receive(short.slice(cut));
      server.connection.frameWriter.flush();
      assert.equal(server.transport.take().slice(-8)[0], 0x61, `cut at ${cut}`);
    }
  });
});

describe("flow control", () => {
  it("counts padding, on the stream and on the connection", () => {
    const server = new Played("server", { streamWindowBytes: 65_535, connectionWindowBytes: 65_535 });
    server.headers(1, postFields, false);
    const payload = concat([new Uint8Array([200]), text(10), new Uint8Array(200)]);
    for (let sent = 0; sent < 156; sent++) server.send(frameType.data, padded, 1, payload);
    assert.equal(server.side.host.streams[0]?.log.bytes, 1_560);
    const updates = server.sent().filter(({ type }) => type === frameType.windowUpdate);
    assert.deepEqual(
      updates.map(({ id, payload: increment }) => [id, new DataView(increment.buffer).getUint32(0)]),
      [
        [0, 156 * 211],
        [1, 156 * 211],
      ],
    );
  });

  it("bears a window that settings push below zero", () => {
    const client = new Played("client");
    const log = new Log();
    const stream = client.side.connection.request(postFields, log);
    stream.write(text(60_000));
    client.sent();
    client.send(frameType.settings, 0, 0, settingsOf([setting.initialWindowSize, 100]));
    assert.equal(stream.sendWindow, 100 - 60_000);
    stream.write(text(50), true);
    client.send(frameType.windowUpdate, 0, 1, words(59_900));
    assert.deepEqual(client.told(), ["settings 0"]);
    client.send(frameType.windowUpdate, 0, 1, words(30));
    client.send(frameType.settings, 0, 0, settingsOf([setting.initialWindowSize, 200]));
    assert.deepEqual(client.told(), ["data 1 30", "settings 0", "data 1 20"]);
    assert.equal(stream.localEnded, true);
  });

  it("ends a connection whose settings make a window too large", () => {
    const client = new Played("client");
    client.side.connection.request(postFields, new Log());
    client.send(frameType.windowUpdate, 0, 1, words(1_000));
    client.sent();
    client.send(frameType.settings, 0, 0, settingsOf([setting.initialWindowSize, maxInt31]));
    assert.equal(client.told().at(-1), "goaway flowControlError");
  });

  it("lets a small window serve one stream, and all streams in turn", () => {
    const client = new Played("client");
    const streams = Array.from({ length: 3 }, () => client.side.connection.request(postFields, new Log()));
    streams[0]!.write(text(65_535));
    for (const stream of streams) stream.write(text(10_000));
    client.send(frameType.windowUpdate, 0, 1, words(10_000));
    client.sent();
    for (let turn = 0; turn < 6; turn++) client.send(frameType.windowUpdate, 0, 0, words(1));
    const turns = client.told().filter((each) => each.startsWith("data"));
    assert.deepEqual(turns, ["data 3 1", "data 5 1", "data 1 1", "data 3 1", "data 5 1", "data 1 1"]);
  });

  it("waits with data while the transport has enough, and goes on when it takes more", () => {
    const { client, server } = pairOf({ streamWindowBytes: 1 << 20 });
    server.transport.full = true;
    let wrote = 0;
    server.host.serve = (stream) => {
      stream.respond(okFields, false);
      while (stream.write(text(10_000))) wrote += 10_000;
      stream.end();
    };
    const log = new Log();
    client.connection.request(getFields, log).end();
    client.connection.frameWriter.flush();
    server.connection.receive(client.transport.take());
    assert.ok(wrote < 100_000, `${wrote} bytes at once`);
    assert.equal(server.connection.frameWriter.congested, true);
    server.transport.full = false;
    server.connection.drained();
    carry(client, server);
    assert.equal(log.bytes, wrote + 10_000);
    assert.equal(log.events.at(-1), "close");
  });
});
