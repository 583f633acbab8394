import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createFetchRpcTransport } from "../../../src/rpc/client/fetch-rpc-transport.ts";
import { gzip } from "../../../src/rpc/message/gzip.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { errorOf, serveInProcess } from "../echo.ts";
import { connectUnary, readRaw } from "../raw.ts";

describe("gzip", () => {
  it("gives back what it was given, nothing included", async () => {
    for (const size of [0, 1, 100_000]) {
      const bytes = new Uint8Array(size).map((_, index) => index % 251);
      const packed = await gzip.compress(bytes);
      assert.deepEqual(await gzip.decompress(packed, size + 1), bytes);
    }
    assert.equal((await gzip.decompress(new Uint8Array(), 10)).length, 0);
  });

  it("gives up what grows above the limit, and what is no gzip", async () => {
    const bomb = await gzip.compress(new Uint8Array(10_000_000));
    assert.ok(bomb.length < 20_000);
    assert.match((await errorOf(gzip.decompress(bomb, 1_000))).message, /^\[resource_exhausted\]/);
    const half = bomb.subarray(0, bomb.length / 2);
    assert.match((await errorOf(gzip.decompress(half, 1e9))).message, /^\[invalid_argument\]/);
    assert.match(
      (await errorOf(gzip.decompress(new Uint8Array([1, 2]), 1e9))).message,
      /^\[invalid_argument\]/,
    );
  });

  it("packs messages both ways in gRPC-Web", async () => {
    const server = serveInProcess();
    const encodings: (string | null)[] = [];
    const transport = createFetchRpcTransport({
      fetch: async (url, init) => {
        const response = await server.fetch(url, init);
        encodings.push(init.headers.get("grpc-encoding"), response.headers.get("grpc-encoding"));
        return response;
      },
      options: {
        origin: "https://echo.test",
        protocol: "grpc-web",
        acceptCompression: ["gzip"],
        sendCompression: "gzip",
      },
    });
    const payload = new Uint8Array(50_000);
    const response = await createClient(EchoService, transport.transport).echo({ payload });
    assert.equal(response.payload.length, payload.length);
    assert.deepEqual(encodings, ["gzip", "gzip"]);
  });
});

describe("createDispatcher()", () => {
  it("offers gzip, and stops a message that grows above the limit", async () => {
    const { dispatcher } = serveInProcess({ maxMessageBytes: 10_000 });
    const zip = async (size: number): Promise<Uint8Array> => {
      const stream = new Blob([new Uint8Array(size)]).stream().pipeThrough(new CompressionStream("gzip"));
      return new Uint8Array(await new Response(stream).arrayBuffer());
    };
    const send = async (body: Uint8Array) => {
      const handler = dispatcher.find("/datapunk.mesh.test.v1.EchoService/Echo");
      assert.ok(handler);
      const response = await handler(
        {
          httpVersion: "2",
          method: "POST",
          url: "https://echo.test/datapunk.mesh.test.v1.EchoService/Echo",
          header: new Headers({ "content-type": "application/proto", "content-encoding": "gzip" }),
          body: (async function* () {
            yield body;
          })(),
          signal: new AbortController().signal,
        },
        { remoteAddress: "", encrypted: false, httpVersion: "2", peer: undefined },
      );
      return readRaw(connectUnary, response);
    };
    // Zeros are no message, but they are read: the error is about what they say.
    assert.equal((await send(await zip(100))).code, "internal");
    const bomb = await send(await zip(1_000_000));
    assert.equal(bomb.code, "resource_exhausted");
    assert.equal((await send(new Uint8Array([1, 2, 3]))).code, "invalid_argument");
  });
});
