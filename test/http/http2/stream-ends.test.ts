import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, setting } from "../../../src/http/http2/frame/frame-types.ts";
import type { Http2Stream } from "../../../src/http/http2/streams/stream.ts";
import {
  endStream,
  getFields,
  Log,
  okFields,
  Played,
  postFields,
  settingsOf,
  words,
  zeros,
} from "./connection-fixture.ts";

/** The frames of a response: type, length, and whether the stream ends. */
function responseOf(act: (stream: Http2Stream) => void): string[] {
  const server = new Played("server");
  server.send(frameType.settings, 0, 0, settingsOf([setting.maxFrameSize, 100_000]));
  server.headers(1, getFields, true);
  server.headers(3, postFields, false);
  server.sent();
  const [first, other] = server.side.host.streams.map(({ stream }) => stream);
  other!.respond(okFields, false);
  server.sent();
  act(first!);
  // Another stream's frames are no place for the end of this one.
  other!.write(zeros(3));
  return server
    .sent()
    .filter(({ id }) => id === 1)
    .map(({ type, flags, payload }) => {
      const name = type === frameType.data ? "data" : "headers";
      return `${name} ${payload.length}${(flags & endStream) === 0 ? "" : " end"}`;
    });
}

describe("the end of a response", () => {
  const ways: readonly (readonly [what: string, act: (stream: Http2Stream) => void, frames: string[]])[] = [
    ["that is known with the last bytes", (stream) => stream.write(zeros(5), true), ["data 5 end"]],
    [
      "that is known a moment later",
      (stream) => {
        stream.write(zeros(5));
        stream.end();
      },
      ["data 5 end"],
    ],
    [
      "that comes as an empty write",
      (stream) => {
        stream.write(zeros(5));
        stream.write(zeros(0), true);
      },
      ["data 5 end"],
    ],
    [
      "with trailers, of which there are none",
      (stream) => {
        stream.writeMessage(0, zeros(5));
        stream.endWithTrailers([]);
      },
      ["data 10 end"],
    ],
    [
      "behind bytes that are too many to copy",
      (stream) => {
        stream.write(zeros(3));
        stream.write(zeros(20_000));
        stream.end();
      },
      ["data 3", "data 20000 end"],
    ],
    [
      "with trailers",
      (stream) => {
        stream.write(zeros(5));
        stream.endWithTrailers(["x", "1"]);
      },
      ["data 5", "headers 5 end"],
    ],
    ["without a body or trailers", (stream) => stream.endWithTrailers([]), ["data 0 end"]],
  ];
  for (const [what, act, frames] of ways) {
    it(`is in the fewest frames there can be: ${what}`, () => {
      const sent = responseOf((stream) => {
        stream.respond(okFields, false);
        act(stream);
      });
      assert.deepEqual(sent.slice(1), frames);
    });
  }

  it("has a frame of its own when the last one is gone", () => {
    const server = new Played("server");
    server.headers(1, getFields, true);
    const { stream } = server.side.host.streams[0]!;
    stream.respond(okFields, false);
    stream.write(zeros(5));
    assert.equal(server.told().at(-1), "data 1 5");
    stream.end();
    assert.deepEqual(server.told(), ["data 1 0"]);
    assert.equal(stream.closeReason, "complete");
  });

  it("is with the last byte that waits for a window, when there are no trailers", () => {
    const server = new Played("server");
    server.send(frameType.settings, 0, 0, settingsOf([setting.initialWindowSize, 4]));
    server.headers(1, getFields, true);
    const { stream } = server.side.host.streams[0]!;
    stream.respond(okFields, false);
    stream.write(zeros(10));
    stream.endWithTrailers([]);
    server.sent();
    server.send(frameType.windowUpdate, 0, 1, words(6));
    const [last, ...more] = server.sent();
    assert.deepEqual([last?.type, last?.payload.length, last?.flags, more.length], [frameType.data, 6, 1, 0]);
  });

  it("of a request is with its last bytes as well", () => {
    const client = new Played("client");
    const stream = client.side.connection.request(postFields, new Log());
    stream.write(zeros(5));
    stream.end();
    const [, data, ...more] = client.sent();
    assert.deepEqual([data?.payload.length, data?.flags, more.length], [5, endStream, 0]);
  });
});
