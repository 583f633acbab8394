import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { runtime } from "#runtime";
import { EchoRequestSchema, EchoResponseSchema, EchoService } from "../../gen/test/v1/echo_pb.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { all, errorOf, streamOf } from "../../rpc/echo.ts";
import { unless } from "../../support/capability.ts";
import {
  foreignSession,
  http1,
  http2,
  openHttp2,
  type RawResponse,
  serve,
  type TestServer,
  within,
} from "./listener-fixture.ts";

describe("one port in the clear", unless("listen"), () => {
  const cleanup = new Cleanup();
  let server: TestServer;
  before(async () => {
    server = await serve(cleanup, async (request, connection) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/echo") {
        return new Response(request.body, { headers: { "content-type": "application/octet-stream" } });
      }
      if (pathname === "/length") return Response.json({ length: (await request.bytes()).length });
      return Response.json({
        method: request.method,
        url: request.url,
        agent: request.headers.get("user-agent"),
        body: request.method === "POST" ? await request.json() : null,
        connection: { ...connection, peer: connection.peer ?? null },
      });
    });
  });
  after(() => cleanup.run());

  it("serves REST over HTTP/1.1", async () => {
    const { status, headers, text } = await http1(server.port, { path: "/datasets?limit=3" });
    const body = JSON.parse(text);
    assert.equal(status, 200);
    assert.match(String(headers["content-type"]), /^application\/json/);
    assert.equal(body.url, `http://127.0.0.1:${server.port}/datasets?limit=3`);
    assert.equal(body.connection.httpVersion, "1.1");
    assert.equal(body.connection.remoteAddress, "127.0.0.1");
    assert.equal(body.connection.encrypted, false);
    assert.equal(body.connection.peer, null);
  });

  it("serves REST over HTTP/2 on the same port", async () => {
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    const { status, text } = await http2(session, { ":path": "/datasets?limit=3" });
    const body = JSON.parse(text);
    assert.equal(status, 200);
    assert.equal(body.url, `http://127.0.0.1:${server.port}/datasets?limit=3`);
    assert.equal(body.connection.httpVersion, "2");
    assert.equal(body.connection.remoteAddress, "127.0.0.1");
  });

  it("reads bodies over both", async () => {
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    const sent = JSON.stringify({ name: "seattle-weather" });
    const first = await http1(server.port, { method: "POST", path: "/", body: sent });
    const second = await http2(session, { ":path": "/", ":method": "POST" }, sent);
    assert.deepEqual(JSON.parse(first.text).body, { name: "seattle-weather" });
    assert.deepEqual(JSON.parse(second.text).body, { name: "seattle-weather" });
  });

  it("loses no byte of many bodies at once", async () => {
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    const body = Array.from({ length: 40_000 }, (_, index) => String(index)).join(" ");
    const responses = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        index % 2 === 0
          ? http1(server.port, { method: "POST", path: "/echo", body })
          : http2(session, { ":path": "/echo", ":method": "POST" }, body),
      ),
    );
    for (const answer of responses) assert.equal(answer.text, body);
  });

  it("serves many connections of both kinds at once", async () => {
    const responses = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        if (index % 2 === 0) return http1(server.port, { path: `/${index}` });
        const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
        return http2(session, { ":path": `/${index}` });
      }),
    );
    assert.deepEqual(
      responses.map(({ text }) => new URL(JSON.parse(text).url).pathname),
      responses.map((_, index) => `/${index}`),
    );
  });

  const transports: Record<string, (origin: string) => Transport> = {
    "gRPC over HTTP/2": (baseUrl) => createGrpcTransport(foreignSession(cleanup, baseUrl)),
    "gRPC-Web over HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    "Connect over HTTP/2": (baseUrl) => createConnectTransport(foreignSession(cleanup, baseUrl)),
    "Connect over HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  };
  for (const [dialect, transportTo] of Object.entries(transports)) {
    it(`serves ${dialect}`, async () => {
      const client = createClient(EchoService, transportTo(`http://127.0.0.1:${server.port}`));
      const payload = new Uint8Array(100_000).map((_, index) => index);
      const answer = await within(client.echo({ text: "hello", payload }), "a response");
      assert.equal(answer.text, "hello");
      assert.deepEqual(Uint8Array.from(answer.payload), payload);
      const expanded = await within(all(client.expand({ text: "x", count: 3 })), "a stream");
      assert.deepEqual(
        expanded.map(({ index }) => index),
        [0, 1, 2],
      );
      const collected = await within(client.collect(streamOf({ text: "a" }, { text: "b" })), "a response");
      assert.equal(collected.text, "a b");
    });

    it(`sends errors over ${dialect}`, async () => {
      const client = createClient(EchoService, transportTo(`http://127.0.0.1:${server.port}`));
      const error = await errorOf(within(client.echo({ text: "no such thing", fail: 5 }), "a response"));
      assert.equal(error.code, 5);
      assert.equal(error.rawMessage, "no such thing");
    });
  }

  it("serves gRPC-Web over HTTP/2", async () => {
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    const message = toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: "framed" }));
    const stream = session.request({
      ":path": "/datapunk.mesh.test.v1.EchoService/Echo",
      ":method": "POST",
      "content-type": "application/grpc-web+proto",
    });
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    await within(new Promise((resolve) => stream.on("end", resolve)), "a response");
    const answer = Buffer.concat(chunks);
    const length = answer.readUInt32BE(1);
    const { text } = fromBinary(EchoResponseSchema, new Uint8Array(answer.subarray(5, 5 + length)));
    assert.equal(text, "framed");
    // The trailers are a message of their own, marked by the highest bit.
    assert.equal(answer[5 + length], 0x80);
    assert.match(answer.subarray(10 + length).toString(), /grpc-status: 0/i);
  });

  for (const dialect of ["gRPC over HTTP/2", "Connect over HTTP/2"]) {
    it(`responds to each message at once over ${dialect}`, async () => {
      const client = createClient(EchoService, transports[dialect]!(`http://127.0.0.1:${server.port}`));
      const next: ((text: string) => void)[] = [];
      async function* questions(): AsyncGenerator<{ text: string }> {
        yield { text: "0" };
        for (let index = 1; index < 4; index++) {
          yield { text: await new Promise<string>((resolve) => next.push(resolve)) };
        }
      }
      const heard: string[] = [];
      const conversation = async (): Promise<void> => {
        for await (const { text } of client.chat(questions())) {
          heard.push(text);
          // The next question exists only after the response to this one.
          next.shift()?.(String(Number(text) + 1));
        }
      };
      await within(conversation(), "a conversation");
      assert.deepEqual(heard, ["0", "1", "2", "3"]);
    });
  }

  for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
    it(`serves the mesh's own ${protocol} leaf`, unless("grpcClient"), async () => {
      const transport = runtime.openRpcTransport({
        origin: `http://127.0.0.1:${server.port}`,
        protocol,
        tls: undefined,
        useBinaryFormat: true,
        maxMessageBytes: 4_194_304,
        maxConnectionsPerEndpoint: 100,
      });
      cleanup.add(() => transport.close());
      const client = createClient(EchoService, transport.transport);
      assert.equal((await within(client.echo({ text: "leaf" }), "a response")).text, "leaf");
      const expanded = await within(all(client.expand({ text: "x", count: 2 })), "a stream");
      assert.equal(expanded.length, 2);
    });
  }

  it("tells RPC handlers of the connection", async () => {
    server.pipeline.requests.length = 0;
    const client = createClient(
      EchoService,
      createGrpcTransport(foreignSession(cleanup, `http://127.0.0.1:${server.port}`)),
    );
    await within(client.echo({ text: "who" }), "a response");
    const [inbound] = server.pipeline.requests;
    assert.equal(inbound?.protocol, "grpc");
    assert.equal(inbound?.connection.remoteAddress, "127.0.0.1");
    assert.equal(inbound?.connection.httpVersion, "2");
  });

  for (const version of ["1.1", "2"] as const) {
    it(`refuses RPCs that nobody serves in their own words, over HTTP/${version}`, async () => {
      const post = async (path: string, type: string): Promise<RawResponse> => {
        const headers = { "content-type": type };
        if (version === "1.1") return http1(server.port, { method: "POST", path, headers, body: "" });
        const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
        return http2(session, { ":method": "POST", ":path": path, ...headers }, "");
      };
      server.pipeline.requests.length = 0;
      const web = await post("/no.such.Service/Do", "application/grpc-web+proto");
      assert.deepEqual([web.status, web.headers["grpc-status"]], [200, "12"]);
      const stream = await post("/no.such.Service/Do?x=1", "application/connect+json");
      assert.equal(stream.status, 200);
      assert.match(stream.text, /"code":"unimplemented"/);
      assert.deepEqual(
        server.pipeline.requests.map(({ protocol, operation }) => [protocol, operation]),
        [
          ["grpc-web", "unknown"],
          ["connect", "unknown"],
        ],
      );
      // Connect's unary calls look like REST: nobody can tell what is lost.
      assert.equal((await post("/length", "application/proto")).text, '{"length":0}');
      assert.equal(server.pipeline.requests.length, 2);
    });
  }

  it("refuses native gRPC over HTTP/1.1, which cannot carry its status", async () => {
    for (const path of ["/datapunk.mesh.test.v1.EchoService/Echo", "/no.such.Service/Do"]) {
      server.pipeline.calls.length = 0;
      const headers = { "content-type": "application/grpc" };
      const { status, text } = await http1(server.port, { method: "POST", path, headers, body: "" });
      assert.equal(status, 505);
      assert.match(text, /needs HTTP\/2/);
      assert.equal(server.pipeline.calls[0]?.protocol, "grpc");
      assert.ok(server.pipeline.calls[0]?.outcome !== undefined);
    }
  });

  it("has nothing in flight when all is responded to", async () => {
    await http1(server.port, { path: "/" });
    // The socket is told a moment after the client.
    for (let turn = 0; server.listener.inFlight > 0 && turn < 1_000; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.equal(server.listener.inFlight, 0);
  });
});
