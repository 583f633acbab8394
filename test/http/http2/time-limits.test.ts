import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, setting } from "../../../src/http/http2/frame/frame-types.ts";
import {
  endHeaders,
  endStream,
  frame,
  getFields,
  okFields,
  type Played,
  postFields,
  settingsOf,
  words,
  zeros,
} from "./connection-fixture.ts";
import { every, type Timed, timed } from "./timed-server.ts";

describe("a response of which too little is taken", () => {
  /** A server with a response that waits, larger than the connection's share that shortens its patience or not. */
  function waiting(length: number): Timed {
    const both = timed({ maxQueuedBytes: 100_000 });
    both.server.send(frameType.settings, 0, 0, settingsOf([setting.initialWindowSize, 0]));
    both.server.headers(1, getFields, true);
    const { stream } = both.server.side.host.streams[0]!;
    stream.respond(okFields, false);
    stream.write(zeros(length), true);
    both.server.sent();
    return both;
  }

  it("is reset after 300 s of silence", async () => {
    const both = waiting(20_000);
    await every(both, 5_000, 300_000);
    assert.equal(both.server.side.host.open, 1);
    await every(both, 5_000, 10_000);
    assert.deepEqual(both.server.told(), ["reset 1 cancel"]);
    assert.equal(both.server.side.connection.queuedBytes, 0);
  });

  it("is reset although a byte of it is taken every minute", async () => {
    const both = waiting(20_000);
    await every(both, 60_000, 360_000, () => both.server.send(frameType.windowUpdate, 0, 1, words(1)));
    assert.equal(both.server.told().at(-1), "reset 1 cancel");
  });

  it("is reset after 30 s when it is a large part of what the connection may hold", async () => {
    const both = waiting(30_000);
    await every(both, 5_000, 30_000);
    assert.equal(both.server.side.host.open, 1);
    await every(both, 5_000, 10_000);
    assert.deepEqual(both.server.told(), ["reset 1 cancel"]);
  });

  it("may take hours when it goes on", async () => {
    const both = waiting(90_000);
    let left = 90_000;
    await every(both, 25_000, 80 * 25_000, () => {
      both.server.send(frameType.windowUpdate, 0, 1, words(1_024));
      both.server.send(frameType.windowUpdate, 0, 0, words(1_024));
      left -= 1_024;
    });
    assert.equal(both.server.side.host.open, 1);
    assert.equal(both.server.side.host.streams[0]!.stream.queuedBytes, left);
  });

  it("leaves those alone that wait for nothing, and the connection", async () => {
    const both = waiting(20_000);
    both.server.headers(3, getFields, true);
    both.server.side.host.streams[1]!.stream.respond(okFields, false);
    await every(both, 5_000, 3_600_000);
    assert.deepEqual([both.server.side.host.open, both.server.side.host.closed], [1, 0]);
    assert.equal(both.server.side.host.streams[1]!.stream.closed, false);
  });

  it("loses its connection when the transport takes nothing at all", async () => {
    const both = timed();
    const { transport, connection, host } = both.server.side;
    both.server.headers(1, getFields, true);
    host.streams[0]!.stream.respond(okFields, false);
    transport.full = true;
    connection.frameWriter.flush();
    const lived = await every(both, 5_000, 600_000);
    assert.ok(lived >= 300_000 && lived <= 315_000, `${lived} ms`);
    assert.equal(both.server.told().at(-1), "goaway enhanceYourCalm");
  });
});

describe("a body that comes too slowly", () => {
  function uploading(expected: boolean): Timed {
    const both = timed();
    both.server.side.host.serve = (stream) => {
      if (expected) stream.expectBody();
    };
    both.server.headers(1, postFields, false);
    return both;
  }
  const drip =
    ({ server }: Timed, length: number) =>
    (): void =>
      server.send(frameType.data, 0, 1, zeros(length));

  it("is reset when it is expected", async () => {
    const both = uploading(true);
    await every(both, 5_000, 75_000, drip(both, 10));
    assert.equal(both.server.side.host.open, 1);
    await every(both, 5_000, 10_000);
    assert.deepEqual(both.server.told(), ["reset 1 cancel"]);
    assert.equal(both.server.side.host.closed, 0);
  });

  it("may take hours when it goes on", async () => {
    const both = uploading(true);
    await every(both, 25_000, 3_600_000, drip(both, 400));
    assert.equal(both.server.side.host.open, 1);
  });

  it("may take hours when the two sides talk as they like", async () => {
    const both = uploading(false);
    await every(both, 60_000, 3_600_000, drip(both, 1));
    assert.equal(both.server.side.host.open, 1);
  });

  it("is not the client's fault while it is held back, or when it has ended", async () => {
    const both = uploading(true);
    const { stream } = both.server.side.host.streams[0]!;
    stream.pause();
    await every(both, 5_000, 600_000);
    assert.equal(both.server.side.host.open, 1);
    stream.resume();
    both.server.send(frameType.data, endStream, 1, zeros(1));
    await every(both, 5_000, 600_000);
    assert.equal(both.server.side.host.open, 1);
  });
});

describe("what has begun and does not become complete", () => {
  const block = (server: Played): Uint8Array => server.block(getFields);
  const ways: readonly (readonly [what: string, begin: (server: Played) => void])[] = [
    ["a header block", (server) => server.send(frameType.headers, endStream, 1, block(server))],
    [
      "a frame",
      (server) => {
        const whole = frame(frameType.headers, endStream | endHeaders, 1, block(server));
        server.side.connection.receive(whole.subarray(0, 12));
      },
    ],
    ["the header of a frame", (server) => server.side.connection.receive(new Uint8Array([0, 0, 4]))],
  ];
  for (const [what, begin] of ways) {
    it(`ends the connection after 15 s: ${what}`, async () => {
      const both = timed();
      begin(both.server);
      const lived = await every(both, 5_000, 600_000);
      assert.ok(lived >= 15_000 && lived <= 25_000, `${lived} ms`);
      assert.equal(both.server.told().at(-1), "goaway enhanceYourCalm");
    });
  }

  it("ends the connection although a piece comes now and then", async () => {
    const both = timed();
    both.server.send(frameType.headers, endStream, 1, block(both.server));
    const lived = await every(both, 5_000, 600_000, () => both.server.send(frameType.continuation, 0, 1));
    assert.ok(lived <= 25_000, `${lived} ms`);
  });

  it("is no fault when others follow it", async () => {
    const both = timed();
    both.server.headers(1, postFields, false);
    const ping = frame(frameType.ping, 0, 0, zeros(8));
    const cut = [ping.subarray(0, 5), ping.subarray(5)];
    await every(both, 2_500, 600_000, (at) => both.server.side.connection.receive(cut[(at / 2_500) % 2]!));
    assert.equal(both.server.side.host.closed, 0);
  });
});
