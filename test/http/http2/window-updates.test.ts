import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, setting } from "../../../src/http/http2/frame/frame-types.ts";
import type { Http2Stream } from "../../../src/http/http2/streams/stream.ts";
import { frame, getFields, okFields, Played, postFields, settingsOf, words } from "./connection-fixture.ts";
import { concat } from "./held-transport.ts";

/** A server with streams whose bodies wait for their own window. */
function blocked(streams: number): { readonly server: Played; readonly pumped: () => number } {
  const server = new Played("server", { maxStreams: streams });
  server.send(frameType.settings, 0, 0, settingsOf([setting.initialWindowSize, 0]));
  let pumped = 0;
  server.side.host.serve = (stream) => {
    const pump = stream.pump.bind(stream);
    (stream as { pump: Http2Stream["pump"] }).pump = () => {
      pumped++;
      pump();
    };
    stream.respond(okFields, false);
    stream.write(new Uint8Array(1_000), true);
  };
  for (let at = 0; at < streams; at++) server.headers(1 + 2 * at, getFields, true);
  server.sent();
  return { server, pumped: () => pumped };
}

describe("a connection's window that grows byte by byte", () => {
  it("costs no look at streams that wait for their own", () => {
    const { server, pumped } = blocked(1_000);
    const update = frame(frameType.windowUpdate, 0, 0, words(1));
    server.side.connection.receive(concat(Array.from({ length: 1_000 }, () => update)));
    assert.equal(pumped(), 0);
    assert.equal(server.side.host.closed, 0);
    // Each of them is served as soon as its own window grows.
    server.send(frameType.windowUpdate, 0, 1_001, words(10));
    server.send(frameType.settings, 0, 0, settingsOf([setting.initialWindowSize, 1_000]));
    const sent = server.sent().filter(({ type }) => type === frameType.data);
    assert.deepEqual([sent[0]?.id, sent[0]?.payload.length], [1_001, 10]);
    assert.equal(
      sent.reduce((sum, { payload }) => sum + payload.length, 0),
      65_535 + 1_000,
    );
  });

  it("is told to calm down when nothing was sent for it", () => {
    const { server } = blocked(10);
    let sent = 0;
    while (sent < 5_000 && server.side.host.closed === 0) {
      server.send(frameType.windowUpdate, 0, 0, words(1));
      sent++;
    }
    assert.equal(server.told().at(-1), "goaway enhanceYourCalm");
    assert.ok(sent > 1_000 && sent < 2_000, `${sent} updates`);
  });

  it("may grow for every frame that it takes, on streams and connection, for ever", () => {
    const server = new Played("server");
    server.headers(1, getFields, true);
    const { stream } = server.side.host.streams[0]!;
    stream.respond(okFields, false);
    for (let turn = 0; turn < 20_000; turn++) {
      stream.writeMessage(0, new Uint8Array(15));
      server.send(frameType.windowUpdate, 0, 0, words(20));
      server.send(frameType.windowUpdate, 0, 1, words(20));
      if (turn % 100 === 0) server.sent();
    }
    assert.equal(server.side.host.closed, 0);
  });

  it("may grow with every stream, if nothing comes back on it", () => {
    const server = new Played("server");
    server.side.host.serve = (stream) => stream.respond(okFields, true);
    for (let id = 1; id < 20_001; id += 2) {
      server.headers(id, postFields, false);
      server.send(frameType.windowUpdate, 0, id, words(1_000_000));
      server.send(frameType.windowUpdate, 0, 0, words(1));
      server.send(frameType.data, 1, id, words(1));
      if (id % 100 === 1) server.sent();
    }
    assert.equal(server.side.host.closed, 0);
  });
});
