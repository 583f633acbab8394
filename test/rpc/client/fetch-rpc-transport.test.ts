import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { isMeshError } from "../../../src/core/errors.ts";
import { createFetchRpcTransport } from "../../../src/rpc/client/fetch-rpc-transport.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { all, errorOf, serveInProcess, streamOf } from "../echo.ts";

const origin = "https://echo.test";

for (const protocol of ["connect", "grpc-web"] as const) {
  for (const useBinaryFormat of [true, false]) {
    describe(`createFetchRpcTransport() by ${protocol}, ${useBinaryFormat ? "binary" : "JSON"}`, () => {
      function open() {
        const server = serveInProcess();
        const transport = createFetchRpcTransport({
          fetch: server.fetch,
          options: { origin, protocol, useBinaryFormat },
        });
        return { ...server, client: createClient(EchoService, transport.transport) };
      }

      it("calls a unary method and shows header and trailer", async () => {
        const { client } = open();
        let header: string | null = "";
        let trailer: string | null = "";
        const response = await client.echo(
          { text: "hello", payload: new Uint8Array([1, 2, 3]) },
          {
            onHeader: (headers) => {
              header = headers.get("x-echo-header");
            },
            onTrailer: (trailers) => {
              trailer = trailers.get("x-echo-trailer");
            },
          },
        );
        assert.equal(response.text, "hello");
        assert.deepEqual([...response.payload], [1, 2, 3]);
        assert.deepEqual([header, trailer], ["hello", "hello"]);
      });

      it("reads a server stream to its end", async () => {
        const { client } = open();
        const responses = await all(client.expand({ text: "x", count: 3 }));
        assert.deepEqual(
          responses.map(({ index }) => index),
          [0, 1, 2],
        );
      });

      it("sends a stream of requests", async () => {
        const { client } = open();
        const response = await client.collect(streamOf({ text: "a" }, { text: "b" }));
        assert.deepEqual([response.text, response.index], ["a b", 2]);
      });

      it("hands on the server's error with its message", async () => {
        const { client } = open();
        const error = await errorOf(client.echo({ text: "no such thing — 100 %", fail: Code.NotFound }));
        assert.deepEqual([error.code, error.rawMessage], [Code.NotFound, "no such thing — 100 %"]);
      });

      it("hands on an error that follows messages", async () => {
        const { client } = open();
        const seen: number[] = [];
        const error = await errorOf(
          (async () => {
            for await (const { index } of client.expand({ text: "gone", count: 2, fail: Code.DataLoss })) {
              seen.push(index);
            }
          })(),
        );
        assert.deepEqual(seen, [0, 1]);
        assert.deepEqual([error.code, error.rawMessage], [Code.DataLoss, "gone"]);
      });
    });
  }
}

describe("createFetchRpcTransport()", () => {
  it("refuses native gRPC and names the alternative", () => {
    assert.throws(
      () => createFetchRpcTransport({ fetch: failing(new Error()), options: { origin, protocol: "grpc" } }),
      (error) => isMeshError(error, "ERR_CAPABILITY") && /"connect" or "grpc-web"/.test(error.message),
    );
  });

  it("refuses a bidi call where fetch cannot stream both ways", async () => {
    const transport = createFetchRpcTransport({
      fetch: failing(new Error("must not be called")),
      options: { origin, protocol: "connect", bidi: false },
    });
    const client = createClient(EchoService, transport.transport);
    const error = await errorOf(all(client.chat(streamOf({ text: "a" }))));
    assert.equal(error.code, Code.Unimplemented);
    assert.match(error.rawMessage, /use native gRPC/);
  });

  it("keeps the cause of a fault, also when it is named like an abort", async () => {
    const fault = new DOMException("socket gone", "AbortError");
    const transport = createFetchRpcTransport({
      fetch: failing(fault),
      options: { origin, protocol: "connect" },
    });
    const error = await errorOf(createClient(EchoService, transport.transport).echo({}));
    assert.equal(error.code, Code.Unavailable);
    assert.equal(error.cause, fault);
  });

  it("keeps the cause of a body that breaks off", async () => {
    const fault = new TypeError("terminated");
    const fetch = async (): Promise<Response> =>
      new Response(
        new ReadableStream({
          pull(controller) {
            controller.error(fault);
          },
        }),
        { headers: { "content-type": "application/connect+proto" } },
      );
    const transport = createFetchRpcTransport({ fetch, options: { origin, protocol: "connect" } });
    const error = await errorOf(all(createClient(EchoService, transport.transport).expand({ count: 1 })));
    assert.equal(error.code, Code.Unavailable);
    assert.equal(error.cause, fault);
  });

  it("sends one message as plain bytes, and only streams of messages as a stream", async () => {
    const { fetch } = serveInProcess();
    const bodies: string[] = [];
    const transport = createFetchRpcTransport({
      fetch: (url, init) => {
        bodies.push(init.body instanceof Uint8Array ? "bytes" : `stream, duplex ${init.duplex}`);
        return fetch(url, init);
      },
      options: { origin, protocol: "connect" },
    });
    const client = createClient(EchoService, transport.transport);
    await client.echo({ text: "a" });
    await all(client.expand({ count: 1 }));
    await client.collect(streamOf({ text: "a" }));
    assert.deepEqual(bodies, ["bytes", "bytes", "stream, duplex half"]);
  });

  it("sends calls without side effects as GET when asked to", async () => {
    const { fetch } = serveInProcess();
    const methods: string[] = [];
    const transport = createFetchRpcTransport({
      fetch: (url, init) => {
        methods.push(init.method);
        return fetch(url, init);
      },
      options: { origin, protocol: "connect", useHttpGet: true },
    });
    const client = createClient(EchoService, transport.transport);
    assert.equal((await client.get({ text: "cached" })).text, "cached");
    assert.equal((await client.echo({ text: "not" })).text, "not");
    assert.deepEqual(methods, ["GET", "POST"]);
  });

  it("takes a body that fetch has decoded for what it is", async () => {
    const { fetch } = serveInProcess();
    const transport = createFetchRpcTransport({
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        const headers = new Headers(response.headers);
        headers.set("content-encoding", "gzip");
        headers.set("content-length", "3");
        return new Response(await response.bytes(), { headers });
      },
      options: { origin, protocol: "connect" },
    });
    assert.equal(
      (await createClient(EchoService, transport.transport).echo({ text: "whole" })).text,
      "whole",
    );
  });

  it("refuses messages above the limit, each way", async () => {
    const { fetch } = serveInProcess();
    const transport = createFetchRpcTransport({
      fetch,
      options: { origin, protocol: "connect", maxMessageBytes: 64 },
    });
    const client = createClient(EchoService, transport.transport);
    const sent = await errorOf(client.echo({ payload: new Uint8Array(100) }));
    assert.equal(sent.code, Code.ResourceExhausted);
    const large = serveInProcess({
      routes: (router) => router.service(EchoService, { echo: () => ({ payload: new Uint8Array(100) }) }),
    });
    const small = createFetchRpcTransport({
      fetch: large.fetch,
      options: { origin, protocol: "connect", maxMessageBytes: 64 },
    });
    const received = await errorOf(createClient(EchoService, small.transport).echo({}));
    assert.equal(received.code, Code.ResourceExhausted);
  });

  it("stops with the signal, as a cancelled call", async () => {
    const abort = new AbortController();
    const transport = createFetchRpcTransport({
      fetch: (_url, init) =>
        new Promise((_resolve, reject) => {
          init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
          abort.abort();
        }),
      options: { origin, protocol: "connect" },
    });
    const error = await errorOf(
      createClient(EchoService, transport.transport).echo({}, { signal: abort.signal }),
    );
    assert.equal(error.code, Code.Canceled);
  });
});

function failing(error: unknown): () => Promise<Response> {
  return () => Promise.reject(error);
}
