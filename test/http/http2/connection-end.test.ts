import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  frameType,
  Http2Error,
  h2,
  maxInt31,
  readUint32,
} from "../../../src/http/http2/frame/frame-types.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import {
  carry,
  getFields,
  Log,
  okFields,
  Played,
  pairOf,
  postFields,
  sideOf,
  words,
} from "./connection-fixture.ts";

describe("a GOAWAY", () => {
  it("ends the streams that the server did not look at as never started, and lets the others finish", () => {
    const client = new Played("client");
    const logs = [new Log(), new Log(), new Log()];
    const streams = logs.map((log) => client.side.connection.request(getFields, log));
    for (const stream of streams) stream.end();
    client.send(frameType.goaway, 0, 0, words(maxInt31, h2.noError));
    assert.deepEqual(
      streams.map(({ closeReason }) => closeReason),
      [undefined, undefined, undefined],
    );
    assert.equal(client.side.connection.usable, false);
    client.send(frameType.goaway, 0, 0, words(3, h2.noError));
    // The number may only fall.
    client.send(frameType.goaway, 0, 0, words(1, h2.noError));
    client.send(frameType.goaway, 0, 0, words(5, h2.noError));
    assert.deepEqual(
      streams.map(({ closeReason }) => closeReason),
      [undefined, "refused", "refused"],
    );
    client.headers(3, okFields, true);
    client.headers(1, okFields, true);
    assert.deepEqual(
      logs.map(({ events }) => events),
      [["headers 200 ended", "end", "close"], ["close"], ["close"]],
    );
    assert.equal(client.side.host.closed, 0);
  });

  it("with an error ends everything, and says why", () => {
    const client = new Played("client");
    const log = new Log();
    const stream = client.side.connection.request(getFields, log);
    client.send(frameType.goaway, 0, 0, words(1, h2.enhanceYourCalm));
    assert.equal(stream.closeReason, "lost");
    assert.deepEqual(log.events, ["close"]);
    assert.deepEqual(client.side.host.goaways, [h2.enhanceYourCalm]);
    assert.match(String(client.side.host.error), /code 11/);
    assert.equal(client.side.transport.destroyed, true);
  });

  it("may name an error that nobody knows", () => {
    const client = new Played("client");
    client.send(frameType.goaway, 0, 0, new Uint8Array([...words(0, 0xdeadbeef), 1, 2, 3]));
    assert.equal(client.side.host.closed, 1);
  });
});

describe("the end of an HTTP/2 connection", () => {
  it("waits for what is open, and loses no request that was on its way", () => {
    const { client, server } = pairOf();
    const logs = [new Log(), new Log()];
    client.connection.request(getFields, logs[0]!).end();
    carry(client, server);
    server.connection.close();
    // Sent before the client has heard of it.
    client.connection.request(getFields, logs[1]!).end();
    carry(client, server);
    assert.equal(client.connection.usable, false);
    assert.equal(server.host.open, 2);
    for (const { stream } of server.host.streams) stream.respond(okFields, true);
    assert.equal(server.transport.ended, true);
    // Its last words, and nothing after them.
    client.connection.receive(server.transport.take());
    for (const { events } of logs) assert.deepEqual(events, ["headers 200 ended", "end", "close"]);
    assert.equal(server.host.closed, 1);
    assert.equal(server.host.error, undefined);
  });

  it("comes at once for a client with nothing open", () => {
    const played = new Played("client");
    played.side.connection.close();
    assert.deepEqual(played.told(), ["goaway noError"]);
    assert.equal(played.side.transport.ended, true);
    assert.equal(played.side.host.closed, 1);
    played.side.connection.close();
    played.side.connection.destroy();
    assert.equal(played.side.host.closed, 1);
  });

  it("comes for an idle server when its client has heard of it; a request that was on its way is served", () => {
    const server = new Played("server");
    server.side.connection.close();
    const [goaway, ping] = server.sent();
    assert.equal(readUint32(goaway!.payload, 0), maxInt31);
    assert.equal(ping!.type, frameType.ping);
    assert.equal(server.side.transport.ended, false);
    server.headers(1, getFields, true);
    assert.equal(server.side.host.open, 1);
    server.send(frameType.ping, 1, 0, ping!.payload);
    const [last] = server.sent();
    assert.equal(readUint32(last!.payload, 0), 1);
    assert.equal(server.side.transport.ended, false);
    server.side.host.streams[0]!.stream.close(h2.cancel);
    assert.equal(server.side.transport.ended, true);
    assert.equal(server.side.host.closed, 1);
  });

  it("acknowledges pings that are open with no, and those that come too late", () => {
    const { connection } = new Played("client").side;
    const responses: boolean[] = [];
    connection.ping((alive) => responses.push(alive));
    connection.lost(undefined);
    connection.ping((alive) => responses.push(alive));
    assert.deepEqual(responses, [false, false]);
  });

  it("tells of every stream once, also when one ends the others", () => {
    const client = new Played("client");
    const logs = Array.from({ length: 4 }, () => new Log());
    const streams = logs.map((log) => client.side.connection.request(getFields, log));
    logs[0]!.act = () => {
      for (const stream of streams) stream.close(h2.cancel);
    };
    client.side.connection.lost(new Error("gone"));
    for (const { events } of logs) assert.deepEqual(events, ["close"]);
    assert.equal(client.side.host.closed, 1);
    assert.equal(
      streams.every((stream) => !stream.writable),
      true,
    );
    assert.equal(streams[0]!.write(new Uint8Array(1)), false);
    assert.deepEqual(client.side.transport.take(), new Uint8Array(0));
  });

  it("comes in the middle of a chunk, of which the rest counts no more", () => {
    const { client, server } = pairOf();
    server.host.serve = () => server.connection.destroy(h2.internalError);
    for (let i = 0; i < 3; i++) client.connection.request(getFields, new Log()).end();
    carry(client, server);
    assert.equal(server.host.streams.length, 1);
    assert.equal(client.host.goaways[0], h2.internalError);
  });

  for (const role of ["client", "server"] as const) {
    it(`comes for a ${role} whose peer never sends settings`, async () => {
      const clock = new VirtualClock();
      const side = sideOf(role, { settingsTimeoutMs: 10_000, clock });
      await clock.advance(9_999);
      assert.equal(side.host.closed, 0);
      await clock.advance(1);
      assert.equal(side.host.closed, 1);
      assert.ok(side.host.error instanceof Http2Error);
      assert.equal(side.host.error.code, h2.settingsTimeout);
      assert.equal(readUint32(side.transport.take().slice(-4), 0), h2.settingsTimeout);
      assert.equal(side.transport.destroyed, true);
    });
  }
});

describe("a client's request", () => {
  it("that cannot be written leaves nothing behind", () => {
    const { client, server } = pairOf();
    assert.throws(() => client.connection.request([...getFields, "x", "\u{1f4a3}"], new Log()), TypeError);
    assert.equal(client.connection.streams.size, 0);
    const log = new Log();
    server.host.serve = (stream) => stream.respond(okFields, true);
    client.connection.request(getFields, log).end();
    carry(client, server);
    assert.deepEqual(log.events, ["headers 200 ended", "end", "close"]);
  });

  it("beyond the streams that the server allows is refused as never started", () => {
    const { client, server } = pairOf({}, { maxStreams: 2 });
    assert.equal(client.connection.peer.maxStreams, 2);
    const streams = [1, 2, 3].map(() => client.connection.request(postFields, new Log()));
    carry(client, server);
    assert.deepEqual(
      streams.map(({ rstCode }) => rstCode),
      [0, 0, h2.refusedStream],
    );
    assert.equal(server.host.open, 2);
    streams[0]!.close(h2.cancel);
    const next = client.connection.request(postFields, new Log());
    carry(client, server);
    assert.equal(next.closed, false);
    assert.equal(server.host.open, 2);
  });
});
