import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frameType, h2 } from "../../../src/http/http2/frame/frame-types.ts";
import { words } from "../../rpc/client/grpc-frames.ts";
import { unless } from "../../support/capability.ts";
import { endHeaders, endStream } from "./connection-fixture.ts";
import { attackedServer, type RawPeer } from "./http2-peer.ts";
import { blockOf, literals } from "./literal-fields.ts";

describe("an HTTP/2 client that breaks the rules", unless("listen"), () => {
  const attacked = attackedServer();
  const { connect } = attacked;

  const fatal: readonly (readonly [what: string, code: number, act: (peer: RawPeer) => void])[] = [
    [
      "a frame that is too long",
      h2.frameSizeError,
      (peer) => peer.write(new Uint8Array([255, 255, 255, 0, 0, 0, 0, 0, 1])),
    ],
    [
      "a header block that is garbage",
      h2.compressionError,
      (peer) => peer.send(1, 5, 1, new Uint8Array(9).fill(255)),
    ],
    [
      "a header block that another frame interrupts",
      h2.protocolError,
      (peer) => {
        peer.send(1, endStream, 1, peer.block([]));
        peer.send(frameType.ping, 0, 0, new Uint8Array(8));
      },
    ],
    [
      "data on a stream that nobody opened",
      h2.protocolError,
      (peer) => peer.send(0, endStream, 1, new Uint8Array(3)),
    ],
    ["a stream with the number of a server's", h2.protocolError, (peer) => peer.get(2)],
    [
      "a stream with a number that was used",
      h2.streamClosed,
      (peer) => {
        peer.get(3);
        peer.get(1);
      },
    ],
    [
      "a window that grows too large",
      h2.flowControlError,
      (peer) => {
        for (let i = 0; i < 2; i++) peer.send(frameType.windowUpdate, 0, 0, words(0x7fffffff));
      },
    ],
    [
      "a window that grows by nothing",
      h2.protocolError,
      (peer) => peer.send(frameType.windowUpdate, 0, 0, words(0)),
    ],
    [
      "a setting out of range",
      h2.protocolError,
      (peer) => peer.send(4, 0, 0, new Uint8Array([0, 5, 0, 0, 0, 1])),
    ],
    [
      "a promise, which only servers make",
      h2.protocolError,
      (peer) => peer.send(frameType.pushPromise, 4, 1, words(2)),
    ],
    [
      "padding longer than the frame",
      h2.protocolError,
      (peer) => {
        peer.post(1);
        peer.send(frameType.data, 0x8, 1, new Uint8Array([9, 1, 2]));
      },
    ],
  ];
  for (const [what, code, act] of fatal) {
    it(`loses the connection for ${what}`, async () => {
      const peer = await connect();
      act(peer);
      assert.equal(await peer.goodbye(), code);
    });
  }

  const path = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"];
  const malformed: readonly (readonly [
    what: string,
    fields: readonly string[],
    pseudo?: readonly string[],
  ])[] = [
    ["a name in capitals", ["X-Name", "1"]],
    ["a field of HTTP/1.1 connections", ["connection", "close"]],
    ["transfer-encoding", ["transfer-encoding", "chunked"]],
    ["te that asks for anything but trailers", ["te", "gzip"]],
    ["a name with a space in it", ["x name", "1"]],
    ["an empty name", ["", "1"]],
    ["a value that ends in a space", ["x", "1 "]],
    ["a line break in a value", ["x", "a\r\nb: c"]],
    ["a control character in a value", ["x", "a\x01b"]],
    ["a control character in its path", [], [...path.slice(0, 4), ":path", "/\x7f", ...path.slice(6)]],
    ["no path", [], [":method", "GET", ":scheme", "http"]],
    ["no method", [], [":path", "/", ":scheme", "http"]],
    ["an empty path", [], [":method", "GET", ":scheme", "http", ":path", ""]],
    ["two paths", [], [...path, ":path", "/admin"]],
    ["a pseudo-header of responses", [], [...path, ":status", "200"]],
    ["a pseudo-header behind a field", ["x", "1", ":path", "/admin"]],
    ["a length without a body", ["content-length", "5"]],
    ["a length that is no number", ["content-length", "-1"]],
    ["two lengths", ["content-length", "0", "content-length", "1"]],
  ];
  for (const [what, fields, pseudo] of malformed) {
    it(`has a request with ${what} refused, and is served on the same connection`, async () => {
      const peer = await connect();
      // As literals: the encoder would not write them.
      const block = blockOf(literals([...(pseudo ?? path), ...fields]));
      peer.send(frameType.headers, endStream | endHeaders, 1, block);
      assert.equal(await peer.reset(1), h2.protocolError);
      peer.get(3);
      await peer.next(frameType.headers, 3);
    });
  }

  it("has a body refused that is longer or shorter than it said", async () => {
    const peer = await connect();
    peer.post(1, "/slow", ["content-length", "3"]);
    peer.send(frameType.data, 0, 1, new Uint8Array(4));
    assert.equal(await peer.reset(1), h2.protocolError);
    peer.post(3, "/slow", ["content-length", "3"]);
    peer.send(frameType.data, endStream, 3, new Uint8Array(2));
    assert.equal(await peer.reset(3), h2.protocolError);
  });
});
