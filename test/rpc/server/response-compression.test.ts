import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { dialectOf, isCompressed } from "../../../src/rpc/dialect/rpc-dialect.ts";
import { gzip } from "../../../src/rpc/message/gzip.ts";
import type { DispatcherOptions } from "../../../src/rpc/server/create-dispatcher.ts";
import { EchoRequestSchema } from "../../gen/test/v1/echo_pb.ts";
import { serveInProcess, someConnection } from "../echo.ts";
import { connectStream, connectUnary, type Dialect, grpc, grpcWeb } from "../raw.ts";

/** How each dialect names the encoding of the messages it brings, and those it takes. */
const dialects: readonly (readonly [Dialect, method: string, encoding: string, accept: string])[] = [
  [grpc, "Echo", "grpc-encoding", "grpc-accept-encoding"],
  [grpcWeb, "Echo", "grpc-encoding", "grpc-accept-encoding"],
  [connectUnary, "Echo", "content-encoding", "accept-encoding"],
  [connectStream, "Expand", "connect-content-encoding", "connect-accept-encoding"],
];

/** Sends a large message, compressed or not, and says whether the response came compressed. */
async function answerIsCompressed(
  options: Pick<DispatcherOptions, "responseCompression" | "compressMinBytes">,
  [dialect, method, encoding, accept]: (typeof dialects)[number],
  request: { readonly compressed: boolean; readonly accept: string | undefined },
): Promise<boolean> {
  const { dispatcher } = serveInProcess(options);
  const message = create(EchoRequestSchema, { text: "x".repeat(5_000), count: 1 });
  const plain = toBinary(EchoRequestSchema, message);
  const bytes = request.compressed ? await gzip.compress(plain) : plain;
  const path = `/datapunk.mesh.test.v1.EchoService/${method}`;
  const header = new Headers({ "content-type": dialect.contentType });
  if (request.compressed) header.set(encoding, "gzip");
  if (request.accept !== undefined) header.set(accept, request.accept);
  async function* body(): AsyncGenerator<Uint8Array> {
    yield dialect.enveloped ? encodeEnvelope(request.compressed ? 1 : 0, bytes) : bytes;
  }
  const response = await dispatcher.find(path)!(
    {
      httpVersion: "2",
      method: "POST",
      url: `https://echo.test${path}`,
      header,
      body: body(),
      signal: new AbortController().signal,
    },
    someConnection,
  );
  assert.equal(response.status, 200);
  const pieces: Uint8Array[] = [];
  for await (const piece of response.body ?? []) pieces.push(piece);
  const seen = dialect.enveloped
    ? pieces[0]![0] === 1
    : new Headers(response.header).get(encoding) === "gzip";
  // Five thousand equal letters.
  assert.equal(pieces[0]!.byteLength < 1_000, seen);
  return seen;
}

describe("the compression of responses", () => {
  for (const dialect of dialects) {
    const { name } = dialect[0];

    it(`is that of the request, unless told otherwise (${name})`, async () => {
      const whether = (compressed: boolean, accept?: string): Promise<boolean> =>
        answerIsCompressed({}, dialect, { compressed, accept });
      assert.equal(await whether(false, "gzip, br"), false);
      assert.equal(await whether(false), false);
      assert.equal(await whether(true, "br, gzip"), true);
      assert.equal(await whether(true), true);
      assert.equal(await whether(true, "identity"), false);
    });

    it(`is what the client accepts where that is asked for (${name})`, async () => {
      const whether = (compressed: boolean, accept?: string): Promise<boolean> =>
        answerIsCompressed({ responseCompression: "accepted" }, dialect, { compressed, accept });
      assert.equal(await whether(false, "snappy, gzip"), true);
      assert.equal(await whether(false), false);
      assert.equal(await whether(true, "identity"), false);
      const small = { responseCompression: "accepted", compressMinBytes: 10_000 } as const;
      assert.equal(await answerIsCompressed(small, dialect, { compressed: false, accept: "gzip" }), false);
    });
  }

  it("knows a compressed GET by its query", () => {
    const of = (query: string): boolean =>
      isCompressed(
        { method: "GET", url: `https://echo.test/a.B/Get?${query}`, header: new Headers() },
        dialectOf(null),
      );
    assert.deepEqual(
      [
        "connect=v1&compression=gzip&message=",
        "compression=identity",
        "compression=&x=1",
        "message=compression",
      ].map(of),
      [true, false, false, false],
    );
  });

  it("is one of two", () => {
    assert.throws(() => serveInProcess({ responseCompression: "always" as "accepted" }), TypeError);
  });
});
