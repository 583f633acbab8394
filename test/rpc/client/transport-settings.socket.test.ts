import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { create, createRegistry } from "@bufbuild/protobuf";
import { Code, createClient, type HandlerContext } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { isMeshError } from "../../../src/core/errors.ts";
import { staticResolver } from "../../../src/discovery/static-resolver.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import type { Mesh, MeshOptions, TransportOptions } from "../../../src/mesh/options.ts";
import { type EchoRequest, EchoRequestSchema, EchoService } from "../../gen/test/v1/echo_pb.ts";
import { freezingProxy } from "../../net/connect/freezing-proxy.ts";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority } from "../../support/certificates.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { all, errorOf, streamOf } from "../echo.ts";
import { Cleanup } from "./grpc-checks.ts";

/** What a handler saw of one call. */
interface Seen {
  readonly header: Headers;
  readonly protocol: string;
}

describe("options of mesh.transport()", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function serve(tls?: MeshOptions["tls"]) {
    const seen: Seen[] = [];
    const look = (context: HandlerContext): void => {
      seen.push({ header: context.requestHeader, protocol: context.protocolName });
    };
    const echo = (request: EchoRequest, context: HandlerContext) => {
      look(context);
      return { text: request.text, payload: request.payload };
    };
    const mesh = createMesh({ service: "echo", ...(tls && { tls }) });
    const server = await mesh.serve({
      port: 0,
      hostname: "127.0.0.1",
      routes: (router) =>
        router.service(EchoService, {
          echo,
          get: echo,
          async *expand({ text, count, payload }, context) {
            look(context);
            for (let index = 0; index < count; index++) yield { text, index, payload };
          },
          async collect(requests, context) {
            look(context);
            return { index: (await all(requests)).length };
          },
          async *chat(requests) {
            for await (const { text } of requests) yield { text };
          },
        }),
    });
    cleanup.add(() => server.close({ force: true }));
    return { seen, origin: `http${tls ? "s" : ""}://localhost:${server.port}` };
  }

  function meshTo(origin: string, options: Partial<MeshOptions> = {}): Mesh {
    const mesh = createMesh({
      service: "caller",
      resolver: staticResolver({ echo: [origin] }),
      policies: { "*": { retry: false } },
      ...options,
    });
    cleanup.add(() => mesh.close());
    return mesh;
  }

  const client = (mesh: Mesh, options: TransportOptions) =>
    createClient(EchoService, mesh.transport("echo", options));

  const dialects = [
    { protocol: "grpc", httpVersion: "2" },
    { protocol: "grpc-web", httpVersion: "2" },
    { protocol: "grpc-web", httpVersion: "1.1" },
    { protocol: "connect", httpVersion: "2" },
    { protocol: "connect", httpVersion: "1.1" },
  ] as const;

  /** Where a unary call of that dialect names the encoding, and asks for some. */
  const encodingFields = {
    grpc: ["grpc-encoding", "grpc-accept-encoding"],
    "grpc-web": ["grpc-encoding", "grpc-accept-encoding"],
    connect: ["content-encoding", "accept-encoding"],
  } as const;

  for (const dialect of dialects) {
    const [sent, accepted] = encodingFields[dialect.protocol];

    describe(`by ${dialect.protocol} over HTTP/${dialect.httpVersion}`, () => {
      it("carries every kind of call that the version can", async () => {
        const { origin, seen } = await serve();
        const to = client(meshTo(origin), dialect);
        assert.equal((await within(to.echo({ text: "a" }), "a response")).text, "a");
        // Only HTTP/1.1 has this field.
        assert.equal(seen[0]?.header.has("connection"), dialect.httpVersion === "1.1");
        assert.equal((await within(to.echo({}), "a response without fields")).text, "");
        assert.equal((await within(all(to.expand({ count: 20 })), "a stream")).length, 20);
        assert.equal(
          (await within(to.collect(streamOf({ text: "a" }, { text: "b" })), "a response")).index,
          2,
        );
        const chat = all(to.chat(streamOf({ text: "a" }, { text: "b" })));
        if (dialect.httpVersion === "2") {
          assert.deepEqual(
            (await within(chat, "a chat")).map(({ text }) => text),
            ["a", "b"],
          );
        } else {
          await errorOf(within(chat, "a refusal"));
        }
      });

      it("shows its certificate, and calls without fields", async () => {
        const authority = await createAuthority();
        const { origin } = await serve(await authority.issue());
        const to = client(meshTo(origin, { tls: await authority.issue({ commonName: "caller" }) }), dialect);
        assert.equal((await within(to.echo({}), "a response")).text, "");
        assert.equal((await within(all(to.expand({ count: 3 })), "a stream")).length, 3);
      });

      for (const sendCompression of ["gzip", "br"] as const) {
        it(`sends in ${sendCompression} what is not too small, and understands the response`, async () => {
          const { origin, seen } = await serve();
          const options = { ...dialect, sendCompression, compressMinBytes: 100 };
          const to = client(meshTo(origin), { ...options, acceptCompression: [sendCompression] });
          const payload = new Uint8Array(50_000).fill(7);
          let answered: string | null = null;
          const { payload: back } = await to.echo(
            { payload },
            { onHeader: (header) => (answered = header.get(sent)) },
          );
          assert.deepEqual([...back.subarray(0, 3), back.length], [7, 7, 7, 50_000]);
          assert.equal(answered, sendCompression);
          assert.equal(seen[0]?.header.get(sent), sendCompression);
          assert.equal(seen[0]?.header.get(accepted), sendCompression);
          const streamed = await all(to.expand({ count: 2, payload }));
          assert.deepEqual(
            streamed.map((message) => message.payload.length),
            [50_000, 50_000],
          );
          assert.equal((await to.collect(streamOf({ payload }, {}))).index, 2);
        });
      }

      it("asks for no encoding when told to, and for all by default", async () => {
        const { origin, seen } = await serve();
        const mesh = meshTo(origin);
        await client(mesh, { ...dialect, acceptCompression: [] }).echo({});
        await client(mesh, dialect).echo({});
        assert.deepEqual(
          seen.map(({ header }) => header.get(accepted)),
          [null, "gzip,br"],
        );
      });

      it("keeps to the limits, which may differ for each way", async () => {
        const { origin } = await serve();
        const to = client(meshTo(origin), { ...dialect, maxMessageBytes: 1_000, maxSendBytes: 5_000 });
        const tooLarge = await errorOf(to.echo({ payload: new Uint8Array(5_001) }));
        assert.equal(tooLarge.code, Code.ResourceExhausted);
        const answerTooLarge = await errorOf(to.echo({ payload: new Uint8Array(4_000) }));
        assert.equal(answerTooLarge.code, Code.ResourceExhausted);
        assert.equal((await to.collect(streamOf({ payload: new Uint8Array(4_000) }))).index, 1);
      });

      if (dialect.httpVersion === "2") {
        it("notices by keepalive that a connection is half-open, and calls on by another", async () => {
          const { origin } = await serve();
          const proxy = await freezingProxy(cleanup, origin);
          const keepalive = { intervalMs: 50, timeoutMs: 1_000 };
          const to = client(meshTo(proxy.origin), { ...dialect, keepalive });
          assert.equal((await within(to.echo({ text: "before" }), "a response")).text, "before");
          proxy.freeze();
          const lost = await errorOf(within(to.echo({ text: "lost" }), "the end of the connection"));
          assert.equal(lost.code, Code.Unavailable);
          assert.equal((await within(to.echo({ text: "after" }), "a response")).text, "after");
          assert.equal(proxy.connections, 2);
        });

        it("sends pings by the mesh's clock", async () => {
          const { origin } = await serve();
          const proxy = await freezingProxy(cleanup, origin);
          const clock = new VirtualClock();
          const keepalive = { intervalMs: 60_000, timeoutMs: 30_000 };
          const to = client(meshTo(proxy.origin, { clock }), { ...dialect, keepalive });
          await within(to.echo({ text: "before" }), "a response");
          proxy.freeze();
          const lost = errorOf(within(to.echo({}, { timeoutMs: 0 }), "the end of the connection"));
          await clock.advance(90_000);
          assert.equal((await lost).code, Code.Unavailable);
        });
      }

      it("reads and writes as the formats' options say", async () => {
        const { origin } = await serve();
        const mesh = meshTo(origin);
        const unknown = { no: 9_999, wireType: 0, data: new Uint8Array([1]) };
        const text = "kept";
        // The echo cannot give the field back, but it must be there to be dropped: it adds to the size.
        const request = create(EchoRequestSchema, { text });
        request.$unknown = [unknown];
        const limited = { ...dialect, maxSendBytes: 6 };
        await errorOf(client(mesh, limited).echo(request));
        const dropping = client(mesh, { ...limited, binaryOptions: { writeUnknownFields: false } });
        assert.equal((await dropping.echo(request)).text, text);
        const json = {
          ...dialect,
          useBinaryFormat: false,
          jsonOptions: { registry: createRegistry(EchoRequestSchema), alwaysEmitImplicit: true },
        };
        assert.equal((await client(mesh, json).echo({ text })).text, text);
        await errorOf(client(mesh, { ...json, maxSendBytes: 20 }).echo({ text }));
      });
    });
  }

  it("speaks Connect where no protocol is named and HTTP/1.1 is", async () => {
    const { origin, seen } = await serve();
    const transport = meshTo(origin).transport("echo", { httpVersion: "1.1" });
    assert.equal(transport.protocol, "connect");
    await createClient(EchoService, transport).echo({});
    assert.equal(seen[0]?.protocol, "connect");
  });

  it("sends what has no side effects as GET, also over HTTP/1.1 and compressed", async () => {
    const { origin } = await serve();
    const mesh = meshTo(origin);
    for (const httpVersion of ["1.1", "2"] as const) {
      const to = client(mesh, {
        protocol: "connect",
        httpVersion,
        useHttpGet: true,
        sendCompression: "gzip",
        compressMinBytes: 0,
      });
      assert.equal((await within(to.get({ text: "cached" }), "a response")).text, "cached");
    }
  });

  it("shares connections between transports that speak alike, and only between those", async () => {
    const { origin } = await serve();
    const proxy = await freezingProxy(cleanup, origin);
    const mesh = meshTo(proxy.origin);
    const jsonOptions = { alwaysEmitImplicit: true };
    const alike: TransportOptions = {
      keepalive: { intervalMs: 60_000 },
      acceptCompression: ["gzip"],
      jsonOptions,
    };
    await client(mesh, alike).echo({});
    await client(mesh, { ...alike, keepalive: { intervalMs: 60_000 }, httpVersion: undefined }).echo({});
    assert.equal(proxy.connections, 1);
    await client(mesh, { ...alike, jsonOptions: { ...jsonOptions } }).echo({});
    await client(mesh, { ...alike, keepalive: { intervalMs: 60_001 } }).echo({});
    await client(mesh, { ...alike, protocol: "connect" }).echo({});
    assert.equal(proxy.connections, 4);
  });

  it("refuses gRPC over HTTP/1.1 when the transport is made", () => {
    const mesh = meshTo("http://127.0.0.1:1");
    assert.throws(
      () => mesh.transport("echo", { protocol: "grpc", httpVersion: "1.1" }),
      (error) => isMeshError(error, "ERR_CAPABILITY"),
    );
    assert.throws(
      () =>
        runtime.openRpcTransport({
          origin: "http://127.0.0.1:1",
          protocol: "grpc",
          httpVersion: "1.1",
          tls: undefined,
          maxConnectionsPerEndpoint: 1,
          useBinaryFormat: true,
          maxMessageBytes: 1,
        }),
      (error) => isMeshError(error, "ERR_CAPABILITY"),
    );
  });
});
