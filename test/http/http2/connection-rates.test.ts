import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, h2 } from "../../../src/http/http2/frame/frame-types.ts";
import { getFields, okFields, Played, postFields, words } from "./connection-fixture.ts";

describe("a client that resets a share of its streams", () => {
  /** Opens streams, ten at a time, of which some are reset and the others get their response; says how many were opened. */
  function play(server: Played, resets: number, streams: number): number {
    let opened = 0;
    while (opened < streams && server.side.host.closed === 0) {
      for (let place = 0; place < 10; place++) server.headers(1 + 2 * (opened + place), getFields, true);
      for (let place = 0; place < 10; place++) {
        const id = 1 + 2 * (opened + place);
        if (place < resets) server.send(frameType.rstStream, 0, id, words(h2.cancel));
        else server.side.connection.streams.get(id)?.respond(okFields, true);
      }
      opened += 10;
      // What is not read would end it as well.
      if (server.side.host.closed === 0) server.sent();
    }
    return opened;
  }

  it("keeps its connection at any speed when most of them are responded to", () => {
    for (const resets of [1, 4]) {
      const server = new Played("server");
      assert.equal(play(server, resets, 30_000), 30_000);
      assert.equal(server.side.host.closed, 0);
      assert.equal(server.side.host.open, 0);
    }
  });

  it("is told to calm down when most of them are reset", () => {
    for (const resets of [6, 7]) {
      const server = new Played("server");
      const opened = play(server, resets, 30_000);
      assert.equal(server.told().at(-1), "goaway enhanceYourCalm");
      assert.ok(opened < 15_000, `${opened} streams`);
    }
  });

  it("may leave any number of streams whose responses have begun", () => {
    const server = new Played("server");
    for (let id = 1; id < 20_001; id += 2) {
      server.headers(id, getFields, true);
      server.side.connection.streams.get(id)?.respond(okFields, false);
      server.send(frameType.rstStream, 0, id, words(h2.cancel));
      server.sent();
    }
    assert.deepEqual([server.side.host.open, server.side.host.closed], [0, 0]);
  });

  it("cannot save up responses for later", () => {
    const server = new Played("server");
    play(server, 0, 20_000);
    let id = 40_001;
    for (; id < 46_001 && server.side.host.closed === 0; id += 2) {
      server.headers(id, postFields, false);
      server.send(frameType.rstStream, 0, id, words(h2.cancel));
    }
    assert.equal(server.told().at(-1), "goaway enhanceYourCalm");
    assert.ok(id < 44_001, `${(id - 40_001) / 2} resets`);
  });

  it("earns nothing by requests that nobody looks at", () => {
    const server = new Played("server");
    const tooLong = [...getFields, "x", "y".repeat(20_000)];
    let id = 1;
    for (; id < 12_001 && server.side.host.closed === 0; id += 4) {
      server.headers(id, tooLong, true);
      server.headers(id + 2, postFields, false);
      server.send(frameType.rstStream, 0, id + 2, words(h2.cancel));
      if (server.side.host.closed === 0) server.sent();
    }
    assert.equal(server.told().at(-1), "goaway enhanceYourCalm");
    assert.ok(id < 8_001, `${id / 4} resets`);
  });
});

describe("a client that asks and asks", () => {
  const floods: readonly (readonly [what: string, send: (server: Played) => void])[] = [
    ["pings", (server) => server.send(frameType.ping, 0, 0, words(1, 2))],
    ["settings", (server) => server.send(frameType.settings)],
  ];
  for (const [what, send] of floods) {
    it(`is told to calm down, though it reads the responses and has other things to say: ${what}`, () => {
      const server = new Played("server");
      server.headers(1, postFields, false);
      for (let sent = 0; sent < 900; sent++) send(server);
      assert.equal(server.sent().length, 900);
      let sent = 900;
      for (; sent < 5_000 && server.side.host.closed === 0; sent++) {
        server.send(frameType.data, 0, 1, words(1));
        send(server);
        if (server.side.host.closed === 0) server.sent();
      }
      assert.equal(server.told().at(-1), "goaway enhanceYourCalm");
      assert.ok(sent < 2_000, `${sent} ${what}`);
      assert.equal(server.side.host.open, 0);
    });
  }

  it("may ask for all data that it gets, as those do that measure the way", () => {
    const server = new Played("server");
    server.headers(1, getFields, true);
    const stream = server.side.host.streams[0]!.stream;
    stream.respond(okFields, false);
    for (let turn = 1; turn <= 20_000; turn++) {
      stream.write(new Uint8Array(10));
      server.send(frameType.ping, 0, 0, words(1, turn));
      if (turn % 1_000 === 0) {
        server.send(frameType.windowUpdate, 0, 0, words(10_000));
        server.send(frameType.windowUpdate, 0, 1, words(10_000));
      }
      const told = server.sent().map(({ type }) => type);
      assert.deepEqual(told.slice(-2), [frameType.data, frameType.ping]);
    }
    assert.equal(server.side.host.closed, 0);
  });

  it("gets no more from data that came once, or from a window that grows", () => {
    const server = new Played("server");
    server.headers(1, getFields, true);
    server.side.host.streams[0]!.stream.respond(okFields, false);
    server.side.host.streams[0]!.stream.write(new Uint8Array(10_000));
    let sent = 0;
    for (; sent < 5_000 && server.side.host.closed === 0; sent++) {
      server.send(frameType.windowUpdate, 0, 0, words(1));
      server.send(frameType.ping, 0, 0, words(1, 2));
      if (server.side.host.closed === 0) server.sent();
    }
    assert.equal(server.told().at(-1), "goaway enhanceYourCalm");
    assert.ok(sent < 2_000, `${sent} pings`);
  });
});
