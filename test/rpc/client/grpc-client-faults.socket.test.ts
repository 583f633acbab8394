import assert from "node:assert/strict";
import { constants } from "node:http2";
import { after, afterEach, describe, it } from "node:test";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { Call } from "../../../src/core/call.ts";
import { outcomeOfRpcError } from "../../../src/rpc/dialect/rpc-outcome.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { endHeaders, endStream } from "../../http/http2/connection-fixture.ts";
import { closeAll, leavesOf } from "../socket-fixture.ts";
import { all, Cleanup, failure, faultOf } from "./grpc-checks.ts";
import { open } from "./grpc-fixture.ts";
import {
  answerFrame,
  concat,
  frameTypes,
  largeField,
  responseBlock,
  serveFrames,
  type WriteFrame,
  words,
} from "./grpc-frames.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

after(closeAll);

/** What breakers, balancing and metrics make of an error. */
function outcomeOf(error: ConnectError): string {
  const call = new Call({ side: "client", protocol: "grpc", service: "s", operation: "o" });
  const { kind, status, neverStarted } = outcomeOfRpcError(call, error, (fault) => runtime.faultOf(fault));
  return `${kind} ${status}${neverStarted ? ", never started" : ""}`;
}

/** `grpc-status: 0`, as HPACK writes it without a table. */
const okBlock = concat(
  new Uint8Array([0, 11]),
  new TextEncoder().encode("grpc-status"),
  new Uint8Array([1, 0x30]),
);

/** Writes a header block in as many frames as it takes. */
function writeBlock(write: WriteFrame, id: number, block: Uint8Array, flags: number): void {
  const most = 16_384;
  for (let at = 0; at < block.length; at += most) {
    const last = at + most >= block.length ? endHeaders : 0;
    const type = at === 0 ? frameTypes.headers : frameTypes.continuation;
    write(type, (at === 0 ? flags : 0) | last, id, block.subarray(at, at + most));
  }
}

describe("the gRPC client and a server that breaks off", () => {
  it("maps resets, and knows which of them prove that the call never started", async () => {
    const resets: [number, Code, string | undefined, string][] = [
      [
        constants.NGHTTP2_REFUSED_STREAM,
        Code.Unavailable,
        "never-started",
        "retryable transport_never-started, never started",
      ],
      [constants.NGHTTP2_CANCEL, Code.Canceled, undefined, "cancelled canceled"],
      // An overloaded server says so; that is not a message which this side found too large.
      [constants.NGHTTP2_ENHANCE_YOUR_CALM, Code.ResourceExhausted, undefined, "rejected resource_exhausted"],
      // Nor has the caller too few rights, whatever gRPC's code for it says.
      [constants.NGHTTP2_INADEQUATE_SECURITY, Code.PermissionDenied, "reset", "retryable transport_reset"],
      [constants.NGHTTP2_INTERNAL_ERROR, Code.Internal, undefined, "failure internal"],
      [constants.NGHTTP2_PROTOCOL_ERROR, Code.Internal, undefined, "failure internal"],
      [constants.NGHTTP2_STREAM_CLOSED, Code.Unknown, undefined, "failure unknown"],
      [constants.NGHTTP2_NO_ERROR, Code.Unavailable, "reset", "retryable transport_reset"],
    ];
    let index = 0;
    const origin = await serveFrames(cleanup, (type, id, write) => {
      if (type === frameTypes.headers) write(frameTypes.reset, 0, id, words(resets[index]![0]));
    });
    const { client } = open(cleanup, origin);
    for (const [rst, code, fault, kind] of resets) {
      const calls = [failure(client.echo({ text: "" })), failure(all(client.expand({ text: "" })))];
      for (const error of await Promise.all(calls)) {
        assert.equal(error.code, code, `RST_STREAM ${rst}: ${error.message}`);
        assert.equal(faultOf(error), fault, `RST_STREAM ${rst}`);
        assert.equal(outcomeOf(error), kind, `RST_STREAM ${rst}`);
      }
      index++;
    }
  });

  for (const protocol of ["grpc-web", "connect"] as const) {
    it(`comes to the same outcomes by ${protocol} over HTTP/2`, async () => {
      const resets: [number, string][] = [
        [constants.NGHTTP2_REFUSED_STREAM, "retryable transport_never-started, never started"],
        [constants.NGHTTP2_ENHANCE_YOUR_CALM, "rejected resource_exhausted"],
        [constants.NGHTTP2_INADEQUATE_SECURITY, "retryable transport_reset"],
      ];
      let index = 0;
      const origin = await serveFrames(cleanup, (type, id, write) => {
        if (type === frameTypes.headers) write(frameTypes.reset, 0, id, words(resets[index]![0]));
      });
      const client = createClient(EchoService, leavesOf(protocol)(origin).transport);
      for (const [rst, kind] of resets) {
        const error = await failure(client.echo({ text: "" }));
        assert.equal(outcomeOf(error), kind, `RST_STREAM ${rst}: ${error.message}`);
        index++;
      }
    });
  }

  it("counts as the server's fault headers and trailers beyond the announced limit, and keeps the connection", async () => {
    // The client announces 64 KiB.
    const large = largeField("x-large", 70_000);
    let connections = 0;
    let index = 0;
    const origin = await serveFrames(cleanup, (type, id, write) => {
      if (type !== frameTypes.headers) return;
      if (id === 1) connections++;
      const turn = index++;
      if (turn < 2) {
        writeBlock(write, id, concat(responseBlock, large), turn === 0 ? 0 : endStream);
        return;
      }
      writeBlock(write, id, responseBlock, 0);
      write(frameTypes.data, 0, id, answerFrame("well"));
      writeBlock(write, id, turn === 2 ? concat(okBlock, large) : okBlock, endStream);
    });
    const { client } = open(cleanup, origin);
    for (const what of ["headers", "a trailers-only response", "trailers"]) {
      const error = await failure(client.echo({ text: "" }));
      assert.equal(error.code, Code.Internal, what);
      assert.equal(error.rawMessage, "the headers of the response are larger than the limit", what);
      assert.equal(outcomeOf(error), "failure internal", what);
    }
    assert.equal((await client.echo({ text: "" })).text, "well");
    assert.equal(connections, 1);
  });
});
