import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, h2 } from "../../../src/http/http2/frame/frame-types.ts";
import {
  carry,
  endHeaders,
  endStream,
  getFields,
  Log,
  okFields,
  Played,
  pairOf,
  postFields,
} from "./connection-fixture.ts";
import { blockOf, literals } from "./literal-fields.ts";

const text = (length: number): Uint8Array => new Uint8Array(length).fill(0x61);

describe("a response", () => {
  it("may be announced by 100 and 103", () => {
    const client = new Played("client");
    const log = new Log();
    client.side.connection.request(getFields, log).end();
    client.headers(1, [":status", "100"], false);
    client.headers(1, [":status", "103", "link", "x"], false);
    client.headers(1, okFields, true);
    assert.deepEqual(log.events, ["headers 200 ended", "end", "close"]);
  });

  for (const status of ["204", "304"]) {
    it(`${status} may state the length of what it does not hold`, () => {
      const client = new Played("client");
      const log = new Log();
      client.side.connection.request(getFields, log).end();
      client.headers(1, [":status", status, "content-length", "5"], false);
      client.send(frameType.data, endStream, 1);
      assert.deepEqual(log.events, [`headers ${status}`, "end", "close"]);
    });
  }

  it("may come before the request is complete", () => {
    const { client, server } = pairOf();
    server.host.serve = (stream) => {
      stream.letGoAtEnd = true;
      stream.respond(okFields, true);
    };
    const log = new Log();
    const stream = client.connection.request(postFields, log);
    stream.write(text(100));
    carry(client, server);
    assert.deepEqual(log.events, ["headers 200 ended", "end", "close"]);
    assert.deepEqual([stream.closeReason, stream.rstCode], ["peer-reset", h2.noError]);
    // What is on its way meets a stream that is gone.
    stream.write(text(100), true);
    carry(client, server);
    assert.equal(client.host.closed + server.host.closed, 0);
  });

  const faults: readonly (readonly [what: string, send: (client: Played) => void])[] = [
    ["without a status", (client) => client.headers(1, ["x", "1"], true)],
    ["with a status of four digits", (client) => client.headers(1, [":status", "2000"], true)],
    ["with two of them", (client) => client.headers(1, [...okFields, ":status", "200"], true)],
    ["that is only informational", (client) => client.headers(1, [":status", "103"], true)],
    [
      "with a field of HTTP/1.1",
      (client) => {
        const block = blockOf(literals([...okFields, "connection", "x"]));
        client.send(frameType.headers, endHeaders | endStream, 1, block);
      },
    ],
    ["of data alone", (client) => client.send(frameType.data, endStream, 1, text(3))],
    [
      "shorter than it says",
      (client) => {
        client.headers(1, [...okFields, "content-length", "5"], false);
        client.send(frameType.data, endStream, 1, text(4));
      },
    ],
    [
      "shorter than it says, with trailers",
      (client) => {
        client.headers(1, [...okFields, "content-length", "5"], false);
        client.headers(1, ["x", "1"], true);
      },
    ],
    [
      "with trailers that do not end it",
      (client) => {
        client.headers(1, okFields, false);
        client.headers(1, ["x", "1"], false);
      },
    ],
    [
      "with a pseudo-header in its trailers",
      (client) => {
        client.headers(1, okFields, false);
        client.headers(1, [":status", "200"], true);
      },
    ],
  ];
  for (const [what, send] of faults) {
    it(`${what} is a fault of its stream alone`, () => {
      const client = new Played("client");
      const log = new Log();
      const stream = client.side.connection.request(getFields, log);
      stream.end();
      client.sent();
      send(client);
      assert.deepEqual(client.told(), ["reset 1 protocolError"]);
      assert.equal(stream.closeReason, "own-reset");
      assert.equal(log.events.at(-1), "close");
      assert.equal(client.side.host.closed, 0);
    });
  }
});

describe("a handler of an HTTP/2 stream", () => {
  for (const moment of ["headers 200", "data 3", "trailers x=1", "end", "close"]) {
    for (const what of ["its stream", "another stream", "the connection"]) {
      it(`may end ${what} on "${moment}"`, () => {
        const { client, server } = pairOf();
        server.host.serve = (stream) => {
          stream.respond(okFields, false);
          stream.write(text(3));
          stream.endWithTrailers(["x", "1"]);
        };
        const [log, other] = [new Log(), new Log()];
        const stream = client.connection.request(getFields, log);
        const next = client.connection.request(getFields, other);
        log.act = (event) => {
          if (event !== moment) return;
          if (what === "its stream") stream.close(h2.cancel);
          else if (what === "another stream") next.close(h2.cancel);
          else client.connection.destroy();
        };
        stream.end();
        next.end();
        carry(client, server);
        for (const { events } of [log, other]) {
          assert.equal(events.filter((event) => event === "close").length, 1);
          assert.equal(events.at(-1), "close");
        }
        assert.equal(log.events.includes(moment), true);
        assert.equal(client.connection.streams.size, 0);
        assert.equal(client.host.closed, what === "the connection" ? 1 : 0);
        if (what !== "the connection") assert.equal(server.host.open, 0);
      });
    }
  }

  it("loses its stream, and no other, by trailers that no header block can carry", () => {
    const { client, server } = pairOf({ streamWindowBytes: 65_535 });
    server.host.serve = (stream) => {
      stream.respond(okFields, false);
      stream.write(text(100_000));
      stream.endWithTrailers(["x", "\u{1f4a3}"]);
    };
    const log = new Log();
    const stream = client.connection.request(getFields, log);
    stream.end();
    carry(client, server);
    assert.deepEqual([stream.closeReason, stream.rstCode], ["peer-reset", h2.internalError]);
    assert.equal(client.host.closed + server.host.closed + server.host.open, 0);
    server.host.serve = (each) => each.respond(okFields, true);
    const next = new Log();
    client.connection.request(getFields, next).end();
    carry(client, server);
    assert.equal(next.events[0], "headers 200 ended");
  });
});
