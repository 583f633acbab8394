import assert from "node:assert/strict";
import { constants, type ServerHttp2Stream } from "node:http2";
import { afterEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { Code, createContextValues } from "@connectrpc/connect";
import { Call } from "../../../src/core/call.ts";
import { MeshError } from "../../../src/core/errors.ts";
import { httpStatusOf } from "../../../src/rpc/client/http-status.ts";
import { meshCall } from "../../../src/rpc/context.ts";
import { endHeaders } from "../../http/http2/connection-fixture.ts";
import { all, Cleanup, deferred, failure, faultOf } from "./grpc-checks.ts";
import { open, serveRaw } from "./grpc-fixture.ts";
import { answerFrame, concat, framed, frameTypes, responseBlock, serveFrames, words } from "./grpc-frames.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const grpc = { ":status": 200, "content-type": "application/grpc+proto" };

/** Responds with this body and these trailers. */
function answerWith(
  stream: ServerHttp2Stream,
  body: Uint8Array,
  trailers: Record<string, string> = { "grpc-status": "0" },
  headers: Record<string, string> = {},
): void {
  stream.respond({ ...grpc, ...headers }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(body);
}

describe("the gRPC client", () => {
  const statuses: [number, Code][] = [
    [400, Code.Internal],
    [401, Code.Unauthenticated],
    [403, Code.PermissionDenied],
    [404, Code.Unimplemented],
    [429, Code.Unavailable],
    [500, Code.Unknown],
    [503, Code.Unavailable],
  ];

  it("maps the status of a response that is not gRPC", async () => {
    const origin = await serveRaw(cleanup, (stream, index) => {
      stream.respond({ ":status": statuses[index]![0], "content-type": "text/html" });
      stream.end("<html>");
    });
    const { client } = open(cleanup, origin);
    for (const [status, code] of statuses) {
      const error = await failure(client.echo({ text: "" }));
      assert.equal(error.code, code, `HTTP ${status}`);
    }
  });

  it("prefers the status of gRPC to that of HTTP beside it", async () => {
    const answers: [Record<string, string | number>, Code, string][] = [
      // As some servers refuse, and as proxies are set up to.
      [
        { ...grpc, ":status": 400, "grpc-status": "8", "grpc-message": "too %C3%BC" },
        Code.ResourceExhausted,
        "too ü",
      ],
      [{ ":status": 204, "grpc-status": "14" }, Code.Unavailable, ""],
      [{ ":status": 415, "grpc-status": "13", "grpc-message": "no" }, Code.Internal, "no"],
      [{ ...grpc, ":status": 503, "grpc-status": "0" }, Code.Unavailable, "HTTP 503"],
      [{ ...grpc, ":status": 503 }, Code.Unavailable, "HTTP 503"],
    ];
    let index = 0;
    const origin = await serveRaw(cleanup, (stream) => {
      stream.respond({ ...answers[index]![0], "x-why": "because" }, { endStream: true });
    });
    const { client } = open(cleanup, origin);
    for (const [headers, code, message] of answers) {
      const unary = failure(client.echo({ text: "" }));
      const stream = failure(all(client.expand({ text: "" })));
      for (const error of [await unary, await stream]) {
        assert.deepEqual([error.code, error.rawMessage], [code, message], JSON.stringify(headers));
        assert.equal(error.metadata.get("x-why"), "because");
        // Who states a status speaks gRPC: nothing for the choice of the protocol to act upon.
        assert.equal(httpStatusOf(error), message.startsWith("HTTP") ? headers[":status"] : undefined);
      }
      index++;
    }
  });

  it("reads the status of a trailers-only response", async () => {
    const origin = await serveRaw(cleanup, (stream) => {
      stream.respond({ ...grpc, "grpc-status": "5", "grpc-message": "no %C3%BC%zz" }, { endStream: true });
    });
    const { client } = open(cleanup, origin);
    const unary = await failure(client.echo({ text: "" }));
    assert.equal(unary.code, Code.NotFound);
    assert.equal(unary.rawMessage, "no ü%zz");
    const stream = await failure(client.expand({ text: "" })[Symbol.asyncIterator]().next());
    assert.equal(stream.code, Code.NotFound);
  });

  it("refuses responses that break the protocol", async () => {
    const bodies: [
      string,
      Uint8Array,
      Code,
      (Record<string, string> | undefined)?,
      (Record<string, string> | undefined)?,
    ][] = [
      ["a second message", concat(answerFrame("a"), answerFrame("b")), Code.Unimplemented],
      ["no message", new Uint8Array(0), Code.Unimplemented],
      ["half a message", answerFrame("long enough").subarray(0, 9), Code.Internal],
      ["a length of 4 GiB", framed(new Uint8Array(8), 0, 0xffffffff), Code.ResourceExhausted],
      ["a compressed message without an encoding", framed(new Uint8Array(3), 1), Code.Internal],
      ["unknown flags", framed(new Uint8Array(3), 2), Code.Internal],
      ["no status", answerFrame("a"), Code.Internal, { "x-other": "1" }],
      ["a status nobody knows", answerFrame("a"), Code.Internal, { "grpc-status": "99" }],
      ["an unknown encoding", answerFrame("a"), Code.Internal, undefined, { "grpc-encoding": "zip" }],
      [
        "broken compression",
        framed(new Uint8Array(9), 1),
        Code.InvalidArgument,
        undefined,
        { "grpc-encoding": "gzip" },
      ],
      [
        "a compression bomb",
        framed(gzipSync(new Uint8Array(8 * 1024 * 1024)), 1),
        Code.ResourceExhausted,
        undefined,
        { "grpc-encoding": "gzip" },
      ],
    ];
    const origin = await serveRaw(cleanup, (stream, index) => {
      const [, body, , trailers, headers] = bodies[index]!;
      answerWith(stream, body, trailers, headers);
    });
    const { client } = open(cleanup, origin);
    for (const [what, , code] of bodies) {
      const error = await failure(client.echo({ text: "" }));
      assert.equal(error.code, code, `${what}: ${error.message}`);
    }
  });

  it("refuses an encoding that it did not offer", async () => {
    const origin = await serveRaw(cleanup, (stream) => {
      answerWith(stream, framed(gzipSync(answerFrame("a").subarray(5)), 1), undefined, {
        "grpc-encoding": "gzip",
      });
    });
    assert.equal((await open(cleanup, origin).client.echo({ text: "" })).text, "a");
    const brotliOnly = open(cleanup, origin, { acceptCompression: ["br"] }).client;
    assert.equal((await failure(brotliOnly.echo({ text: "" }))).code, Code.Internal);
  });

  it("hands out what arrived before a stream was reset in its middle", async () => {
    const whole = concat(answerFrame("one"), answerFrame("two"));
    const resets: [number, Uint8Array, Code, string | undefined][] = [
      [constants.NGHTTP2_INTERNAL_ERROR, whole, Code.Internal, undefined],
      // Half a third message: the reset says that all is well, and it is not.
      [
        constants.NGHTTP2_NO_ERROR,
        concat(whole, answerFrame("three").subarray(0, 7)),
        Code.Unavailable,
        "reset",
      ],
    ];
    let index = 0;
    const origin = await serveFrames(cleanup, (type, id, write) => {
      if (type !== frameTypes.headers) return;
      const [rst, body] = resets[index++]!;
      write(frameTypes.headers, endHeaders, id, responseBlock);
      write(frameTypes.data, 0, id, body);
      write(frameTypes.reset, 0, id, words(rst));
    });
    const { client } = open(cleanup, origin);
    for (const [, , code, fault] of resets) {
      const seen: string[] = [];
      const reading = (async () => {
        for await (const { text } of client.expand({ text: "" })) seen.push(text);
      })();
      const error = await failure(reading);
      assert.deepEqual(seen, ["one", "two"]);
      assert.equal(error.code, code, error.message);
      assert.equal(faultOf(error), fault);
    }
  });

  it("follows the mesh's call in its context values, without a signal", async () => {
    const arrived = deferred();
    const reset = deferred<number>();
    const origin = await serveRaw(cleanup, (stream) => {
      arrived.resolve();
      stream.on("close", () => reset.resolve(stream.rstCode));
    });
    const { client } = open(cleanup, origin);
    const call = new Call({ side: "client", protocol: "grpc", service: "s", operation: "o" });
    const error = failure(
      client.echo({ text: "" }, { contextValues: createContextValues().set(meshCall, call) }),
    );
    await arrived.promise;
    call.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", "too late"));
    assert.equal((await error).code, Code.DeadlineExceeded);
    assert.equal(await reset.promise, constants.NGHTTP2_CANCEL);
  });

  it("names what is wrong with its options", () => {
    assert.throws(() => open(cleanup, "not an origin"), /Cannot call not an origin/);
    assert.throws(() => open(cleanup, "http://x", { maxMessageBytes: -1 }), RangeError);
    assert.throws(
      () => open(cleanup, "http://x", { sendCompression: "zip" as never }),
      /Cannot compress with zip/,
    );
  });
});
