import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, h2 } from "../../../src/http/http2/frame/frame-types.ts";
import type { StreamHandler } from "../../../src/http/http2/streams/stream-handler.ts";
import { settle } from "../../support/virtual-clock.ts";
import {
  carry,
  endStream,
  getFields,
  type Host,
  Log,
  okFields,
  Played,
  pairOf,
  postFields,
  words,
  zeros,
} from "./connection-fixture.ts";

const bug = new Error("a bug");
const broken = (): never => {
  throw bug;
};

/** A log that throws at one of its events, once it is told to. */
function logThatFailsAt(event: keyof StreamHandler): Log {
  const log = new Log();
  const note = log[event].bind(log) as (...args: unknown[]) => void;
  log[event] = (...args: unknown[]) => {
    note(...args);
    broken();
  };
  return log;
}

describe("a handler of a stream that throws", () => {
  const atServer: readonly (readonly [event: keyof StreamHandler, provoke: (server: Played) => void])[] = [
    ["onData", (server) => server.send(frameType.data, 0, 1, zeros(1))],
    ["onTrailers", (server) => server.headers(1, ["x", "1"], true)],
    ["onEnd", (server) => server.send(frameType.data, endStream, 1, zeros(1))],
    [
      "onDrain",
      (server) => {
        server.side.host.streams[0]!.stream.respond(okFields, false);
        server.side.host.streams[0]!.stream.write(zeros(110_000));
        server.send(frameType.windowUpdate, 0, 0, words(110_000));
        server.send(frameType.windowUpdate, 0, 1, words(110_000));
      },
    ],
  ];
  for (const [event, provoke] of atServer) {
    it(`loses its request alone, and the error is told: ${event}`, () => {
      const server = new Played("server");
      const { host } = server.side;
      const log = logThatFailsAt(event);
      host.serve = (stream) => {
        if (stream.id === 1) stream.handler = log;
      };
      server.headers(1, postFields, false);
      server.headers(3, postFields, false);
      provoke(server);
      assert.equal(server.told().at(-1), "reset 1 internalError");
      assert.deepEqual(host.errors, [bug]);
      assert.equal(log.events.at(-1), "close");
      assert.deepEqual([host.open, host.closed], [1, 0]);
      server.send(frameType.data, endStream, 3, zeros(5));
      host.streams[1]!.stream.respond(okFields, true);
      assert.deepEqual(host.streams[1]!.log.events, ["data 5", "end", "close"]);
    });
  }

  const atClient: readonly (readonly [event: keyof StreamHandler, provoke: (client: Played) => void])[] = [
    ["onHeaders", (client) => client.headers(1, okFields, false)],
    [
      "onData",
      (client) => {
        client.headers(1, okFields, false);
        client.send(frameType.data, 0, 1, zeros(1));
      },
    ],
    [
      "onTrailers",
      (client) => {
        client.headers(1, okFields, false);
        client.headers(1, ["x", "1"], true);
      },
    ],
  ];
  for (const [event, provoke] of atClient) {
    it(`loses its call alone, which knows why: ${event}`, () => {
      const client = new Played("client");
      const [failing, fine] = [logThatFailsAt(event), new Log()];
      const stream = client.side.connection.request(postFields, failing);
      client.side.connection.request(getFields, fine).end();
      provoke(client);
      assert.equal(client.told().at(-1), "reset 1 internalError");
      assert.deepEqual(client.side.host.errors, [bug]);
      assert.equal(stream.failure, bug);
      assert.deepEqual([stream.closeReason, failing.events.at(-1)], ["own-reset", "close"]);
      client.headers(3, okFields, true);
      assert.deepEqual(fine.events, ["headers 200 ended", "end", "close"]);
    });
  }

  it("at its close takes nothing from the others", () => {
    const { client, server } = pairOf();
    const logs = [logThatFailsAt("onClose"), logThatFailsAt("onClose"), new Log()];
    for (const log of logs) client.connection.request(getFields, log).end();
    carry(client, server);
    client.connection.lost(undefined);
    for (const { events } of logs) assert.deepEqual(events, ["close"]);
    assert.deepEqual(client.host.errors, [bug, bug]);
    assert.equal(client.host.closed, 1);
  });

  it("at what a pause held back loses its stream alone", async () => {
    const server = new Played("server");
    const log = logThatFailsAt("onData");
    server.side.host.serve = (stream) => {
      stream.handler = log;
      stream.pause();
    };
    server.headers(1, postFields, false);
    server.send(frameType.data, 0, 1, zeros(1));
    server.send(frameType.data, 0, 1, zeros(1));
    server.side.host.streams[0]!.stream.resume();
    await settle();
    assert.deepEqual(log.events, ["data 2", "close"]);
    assert.equal(server.told().at(-1), "reset 1 internalError");
    assert.deepEqual([server.side.host.errors, server.side.host.open], [[bug], 0]);
  });
});

describe("a handler of a connection that throws", () => {
  it("at a request loses that one alone, and keeps count", () => {
    const { client, server } = pairOf();
    server.host.serve = (stream) => {
      if (stream.id === 1) broken();
      stream.respond(okFields, true);
    };
    const logs = [new Log(), new Log()];
    for (const log of logs) client.connection.request(getFields, log).end();
    carry(client, server);
    assert.deepEqual(
      logs.map(({ events }) => events),
      [["close"], ["headers 200 ended", "end", "close"]],
    );
    assert.deepEqual([server.host.open, server.host.closed, server.host.errors], [0, 0, [bug]]);
  });

  it("at anything else goes on", () => {
    const server = new Played("server");
    const { host, connection } = server.side;
    host.onSettings = broken;
    host.onGoaway = broken;
    host.onStreamClose = broken;
    server.send(frameType.settings);
    server.send(frameType.goaway, 0, 0, words(0, h2.noError));
    server.headers(1, getFields, true);
    host.streams[0]!.stream.respond(okFields, true);
    assert.deepEqual(host.errors, [bug, bug, bug]);
    connection.ping(broken);
    const ping = server.sent().find(({ type, flags }) => type === frameType.ping && flags === 0);
    server.send(frameType.ping, 1, 0, ping!.payload);
    connection.ping(broken);
    host.onClose = broken;
    connection.lost(undefined);
    assert.equal(host.errors.length, 6);
  });

  it("at errors themselves is borne", () => {
    const server = new Played("server");
    server.side.host.onError = broken;
    server.side.host.serve = broken;
    server.headers(1, getFields, true);
    assert.deepEqual(server.told(), ["reset 1 internalError"]);
    assert.deepEqual([server.side.host.open, server.side.host.closed], [0, 0]);
  });
});

describe("a header block that cannot be sent", () => {
  const bad = ["x", "a\x01b"];
  const forbidden = /Cannot send the header "x": U\+0001 in it/;

  it("is refused by whoever sends it, and the stream is as before", () => {
    const { client, server } = pairOf();
    assert.throws(() => client.connection.request([...getFields, ...bad], new Log()), forbidden);
    server.host.serve = (stream) => {
      assert.throws(() => stream.informational([":status", "103", ...bad]), forbidden);
      assert.throws(() => stream.respond([...okFields, ...bad], false), forbidden);
      stream.respond(okFields, false);
      stream.write(zeros(5));
      assert.throws(() => stream.endWithTrailers(bad), forbidden);
      stream.endWithTrailers(["x", "fine"]);
    };
    const log = new Log();
    client.connection.request(getFields, log).end();
    carry(client, server);
    assert.deepEqual(log.events, ["headers 200", "data 5", "trailers x=fine", "end", "close"]);
  });

  it("is refused at once when it has to wait for the body", () => {
    const { client, server } = pairOf();
    server.host.serve = (stream) => {
      stream.respond(okFields, false);
      stream.write(zeros(100_000));
      for (const trailers of [bad, ["X", "1"]])
        assert.throws(() => stream.endWithTrailers(trailers), TypeError);
      stream.endWithTrailers(["x", "fine"]);
    };
    const log = new Log();
    client.connection.request(getFields, log).end();
    carry(client, server);
    assert.deepEqual(log.events.slice(-3), ["trailers x=fine", "end", "close"]);
    assert.equal(log.bytes, 100_000);
    assert.deepEqual((server.host as Host).errors, []);
  });
});
