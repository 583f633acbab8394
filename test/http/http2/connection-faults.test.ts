import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, h2, maxInt31 } from "../../../src/http/http2/frame/frame-types.ts";
import type { Fields } from "../../../src/http/http2/streams/stream.ts";
import {
  endHeaders,
  endStream,
  getFields,
  Log,
  okFields,
  Played,
  padded,
  postFields,
  words,
} from "./connection-fixture.ts";
import { blockOf, literals } from "./literal-fields.ts";

describe("a client that makes the server reset its own streams", () => {
  const ways: readonly (readonly [what: string, provoke: (server: Played, id: number) => void])[] = [
    ["a reset", (server, id) => server.send(frameType.rstStream, 0, id, words(h2.cancel))],
    ["a window that grows by nothing", (server, id) => server.send(frameType.windowUpdate, 0, id, words(0))],
    ["a window too large", (server, id) => server.send(frameType.windowUpdate, 0, id, words(maxInt31))],
    [
      "a stream that depends on itself",
      (server, id) => server.send(frameType.priority, 0, id, dependency(id)),
    ],
    ["a priority of 4 bytes", (server, id) => server.send(frameType.priority, 0, id, words(0))],
    ["trailers that do not end it", (server, id) => server.headers(id, ["x", "1"], false)],
    ["trailers that are too long", (server, id) => server.headers(id, ["x", "y".repeat(20_000)], true)],
    [
      "data behind its end",
      (server, id) => {
        server.send(frameType.data, endStream, id);
        server.send(frameType.data, endStream, id);
      },
    ],
    [
      "headers behind its end",
      (server, id) => {
        server.send(frameType.data, endStream, id);
        server.headers(id, ["x", "1"], true);
      },
    ],
    [
      "more data than it may send",
      (server, id) => server.send(frameType.data, padded, id, new Uint8Array([0, 1, 2, 3, 4])),
    ],
  ];
  for (const [what, provoke] of ways) {
    it(`is told to calm down: ${what}`, () => {
      const server = new Played("server", { streamWindowBytes: what.startsWith("more") ? 4 : 65_535 });
      let opened = 0;
      for (; opened < 3_000 && server.side.host.closed === 0; opened++) {
        server.headers(1 + 2 * opened, postFields, false);
        provoke(server, 1 + 2 * opened);
        assert.ok(server.side.host.open <= 1);
      }
      assert.equal(server.told().at(-1), "goaway enhanceYourCalm");
      assert.ok(opened < 2_000, `${opened} streams`);
      assert.equal(server.side.host.open, 0);
      assert.equal(server.side.transport.destroyed, true);
    });
  }

  it("may reset many, if not all at once", () => {
    const server = new Played("server");
    for (let id = 1; id < 1_800; id += 2) {
      server.headers(id, postFields, false);
      server.send(frameType.rstStream, 0, id, words(h2.cancel));
    }
    assert.deepEqual(server.told(), []);
    assert.equal(server.side.host.open, 0);
  });
});

describe("frames of no use", () => {
  const floods: readonly (readonly [what: string, send: (server: Played) => void])[] = [
    ["empty data", (server) => server.send(frameType.data, 0, 1)],
    ["padding alone", (server) => server.send(frameType.data, padded, 1, new Uint8Array([3, 0, 0, 0]))],
    ["priorities", (server) => server.send(frameType.priority, 0, 1, dependency(3))],
    ["resets of closed streams", (server) => server.send(frameType.rstStream, 0, 3, words(h2.cancel))],
    ["acknowledges pings that nobody sent", (server) => server.send(frameType.ping, 1, 0, words(0, 77))],
    ["acknowledgements of settings", (server) => server.send(frameType.settings, 1)],
    ["frames of unknown types", (server) => server.send(0x42, 0xff, 1, words(1))],
  ];
  for (const [what, send] of floods) {
    it(`end a connection when nothing else comes: ${what}`, () => {
      const server = new Played("server");
      server.headers(1, postFields, false);
      server.headers(3, postFields, false);
      server.send(frameType.rstStream, 0, 3, words(h2.cancel));
      for (let sent = 0; sent < 900; sent++) send(server);
      server.send(frameType.data, 0, 1, words(1));
      for (let sent = 0; sent < 900; sent++) send(server);
      assert.deepEqual(server.told(), []);
      for (let sent = 0; sent < 900; sent++) send(server);
      assert.equal(server.told().at(-1), "goaway enhanceYourCalm");
      assert.equal(server.side.host.open, 0);
    });
  }
});

describe("a client that does not read", () => {
  const floods: readonly (readonly [what: string, send: (server: Played, turn: number) => void])[] = [
    ["pings", (server) => server.send(frameType.ping, 0, 0, words(1, 2))],
    ["settings", (server) => server.send(frameType.settings)],
    [
      "requests whose responses have no body",
      (server, turn) => server.headers(1 + 2 * turn, getFields, true),
    ],
  ];
  for (const [what, send] of floods) {
    it(`cannot fill the memory: ${what}`, () => {
      const server = new Played("server");
      // No response is like another, so that no table makes them short.
      server.side.host.serve = (stream) =>
        stream.respond([...okFields, "x", `${"y".repeat(1_000)}${stream.id}`], true);
      server.side.transport.full = true;
      let sent = 0;
      let waiting = 0;
      for (; sent < 20_000 && server.side.host.closed === 0; sent++) {
        send(server, sent);
        server.side.connection.frameWriter.flush();
        if (sent % 100 === 0) waiting = server.side.transport.waitingBytes;
      }
      assert.equal(server.told().at(-1), "goaway enhanceYourCalm");
      assert.ok(waiting < 10_000_000, `${waiting} bytes`);
      assert.equal(server.side.host.open, 0);
    });
  }

  it("has its connection kept when it reads late", () => {
    const server = new Played("server");
    server.side.transport.full = true;
    for (let sent = 0; sent < 900; sent++) server.send(frameType.ping, 0, 0, words(1, 2));
    server.side.connection.frameWriter.flush();
    assert.equal(server.side.connection.frameWriter.congested, true);
    server.side.transport.full = false;
    server.side.connection.drained();
    assert.equal(server.sent().length, 900);
  });
});

describe("late frames", () => {
  it("of many calls that a client gave up leave its connection alone", () => {
    const client = new Played("client");
    const logs = Array.from({ length: 1_000 }, () => new Log());
    const streams = logs.map((log) => client.side.connection.request(getFields, log));
    for (const stream of streams) stream.close(h2.cancel);
    assert.equal(client.told().length, 2_000);
    for (const { id } of streams) {
      client.headers(id, okFields, false);
      client.send(frameType.data, 0, id, words(1));
      client.headers(id, ["x", "1"], true);
      client.send(frameType.rstStream, 0, id, words(h2.noError));
    }
    assert.deepEqual(client.told(), []);
    for (const { events } of logs) assert.deepEqual(events, ["close"]);
    const log = new Log();
    client.side.connection.request(getFields, log).end();
    client.headers(2_001, okFields, true);
    assert.deepEqual(log.events, ["headers 200 ended", "end", "close"]);
  });

  it("of streams behind a farewell leave those before it alone", () => {
    const server = new Played("server");
    server.headers(1, postFields, false);
    const { connection, host } = server.side;
    connection.close();
    const ping = server.sent().find(({ type }) => type === frameType.ping);
    server.send(frameType.ping, 1, 0, ping!.payload);
    assert.equal(server.sent()[0]?.type, frameType.goaway);
    server.headers(3, postFields, false);
    server.send(frameType.data, 0, 3, words(1, 2, 3));
    server.send(frameType.windowUpdate, 0, 3, words(1));
    server.headers(3, ["x", "1"], true);
    server.send(frameType.rstStream, 0, 5, words(h2.cancel));
    assert.deepEqual(server.told(), []);
    assert.equal(host.open, 1);
    host.streams[0]!.stream.respond(okFields, true);
    server.send(frameType.data, endStream, 1);
    assert.deepEqual(server.told(), ["headers 1"]);
    assert.equal(server.side.transport.ended, true);
  });

  it("on a stream that came to its end are a fault", () => {
    const client = new Played("client");
    client.side.connection.request(getFields, new Log()).end();
    client.headers(1, okFields, true);
    client.sent();
    client.headers(1, okFields, true);
    assert.deepEqual(client.told(), ["goaway streamClosed"]);
  });
});

describe("a request", () => {
  const [method, scheme, path, authority] = [0, 2, 4, 6].map((at) => getFields.slice(at, at + 2));
  const refused: readonly (readonly [what: string, fields: Fields])[] = [
    ["whose path does not start with a slash", with_("path", [":path", "admin"])],
    ["whose path is a whole URL", with_("path", [":path", "http://b/admin"])],
    ["for * that is not OPTIONS", with_("path", [":path", "*"])],
    ["with a blank in its method", with_("method", [":method", "GET /x"])],
    ["with another host than its authority", [...getFields, "host", "b"]],
    ["with two hosts", [...method!, ...scheme!, ...path!, "host", "a", "host", "a"]],
    ["to connect, with a path", [":method", "CONNECT", ...scheme!, ...path!, ...authority!]],
    ["to connect to nothing", [":method", "CONNECT"]],
    ["with two authorities", [...getFields, ":authority", "a"]],
    ["with a pseudo-header that nobody knows", [...getFields, ":protocol", "websocket"]],
    ["with a NUL in a value", [...getFields, "x", "a\0b"]],
    ["with a line break in its path", with_("path", [":path", "/\r\nx: y"])],
    ["with a colon in a name", [...getFields, "x:y", "1"]],
    ["with a name that is not ASCII", [...getFields, "x\u00e9", "1"]],
  ];
  function with_(which: "path" | "method", fields: Fields): Fields {
    const others = which === "path" ? [...method!, ...scheme!] : [...path!, ...scheme!];
    return [...others, ...fields, ...authority!];
  }
  for (const [what, fields] of refused) {
    it(`${what} is refused, and nobody hears of it`, () => {
      const server = new Played("server");
      server.send(frameType.headers, endHeaders | endStream, 1, blockOf(literals(fields)));
      assert.deepEqual(server.told(), ["reset 1 protocolError"]);
      assert.equal(server.side.host.streams.length, 0);
    });
  }

  const allowed: readonly (readonly [what: string, fields: Fields])[] = [
    ["for *", with_("path", [":path", "*"]).map((field) => (field === "GET" ? "OPTIONS" : field))],
    ["that names its host twice over", [...getFields, "host", "A"]],
    ["that names it as HTTP/1.1 does", [...method!, ...scheme!, ...path!, "host", "a"]],
    ["to connect", [":method", "CONNECT", ...authority!]],
  ];
  for (const [what, fields] of allowed) {
    it(`${what} is heard`, () => {
      const server = new Played("server");
      server.headers(1, fields, true);
      assert.deepEqual(server.side.host.streams[0]?.fields, fields);
    });
  }
});

/** A priority that depends on a stream. */
function dependency(id: number): Uint8Array {
  return new Uint8Array([...words(id), 0]);
}
