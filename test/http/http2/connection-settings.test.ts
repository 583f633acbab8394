import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, maxInt31, setting } from "../../../src/http/http2/frame/frame-types.ts";
import type { Fields } from "../../../src/http/http2/streams/stream.ts";
import { getFields, Log, Played, postFields, settingsOf, words } from "./connection-fixture.ts";

describe("settings", () => {
  const faults: readonly (readonly [what: string, code: string, send: (peer: Played) => void])[] = [
    ["of 5 bytes", "frameSizeError", (peer) => peer.send(frameType.settings, 0, 0, new Uint8Array(5))],
    ["for a stream", "protocolError", (peer) => peer.send(frameType.settings, 0, 1)],
    ["that acknowledge and set", "frameSizeError", (peer) => peer.send(4, 1, 0, settingsOf([1, 1]))],
    [
      "with a window of 2^31",
      "flowControlError",
      (peer) => peer.send(4, 0, 0, settingsOf([setting.initialWindowSize, 2 ** 31])),
    ],
    [
      "with frames of 2^24",
      "protocolError",
      (peer) => peer.send(4, 0, 0, settingsOf([setting.maxFrameSize, 2 ** 24])),
    ],
  ];
  for (const [what, code, send] of faults) {
    it(`${what} end the connection`, () => {
      const server = new Played("server");
      send(server);
      assert.deepEqual(server.told(), [`goaway ${code}`]);
    });
  }

  it("may take the table of headers away and give it back", () => {
    const client = new Played("client");
    const send = (): Fields => {
      client.side.connection.request([...getFields, "x-id", "1"], new Log());
      const found = client.sent().find(({ type }) => type === frameType.headers)!;
      return client.read(found).slice(-2);
    };
    assert.deepEqual(send(), ["x-id", "1"]);
    for (const size of [0, 4_294_967_295, 50]) {
      client.send(frameType.settings, 0, 0, settingsOf([setting.headerTableSize, size]));
      assert.deepEqual(
        [send(), send()],
        [
          ["x-id", "1"],
          ["x-id", "1"],
        ],
      );
    }
  });

  it("that allow huge frames still get frames that leave room for others", () => {
    const client = new Played("client");
    client.send(frameType.settings, 0, 0, settingsOf([5, 2 ** 24 - 1], [4, maxInt31]));
    client.send(frameType.windowUpdate, 0, 0, words(2 ** 30));
    client.side.connection.request(postFields, new Log()).write(new Uint8Array(200_000));
    const sizes = client.sent().filter(({ type }) => type === frameType.data);
    assert.ok(sizes.every(({ payload }) => payload.length <= 65_536));
    assert.equal(
      sizes.reduce((sum, { payload }) => sum + payload.length, 0),
      200_000,
    );
  });
});
