import assert from "node:assert/strict";
import { createServer as createHttp1Server } from "node:http";
import { connect } from "node:http2";
import type { AddressInfo } from "node:net";
import { after, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { runtime } from "#runtime";
import { createMesh, staticResolver } from "../../../mod.ts";
import type { Endpoint } from "../../../src/core/endpoint.ts";
import { isTransportError } from "../../../src/core/errors.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import type { Mesh, MeshTransport, ServeOptions, Server } from "../../../src/mesh/options.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { metricValue } from "../../support/metric-value.ts";
import { all, echoRoutes, errorOf, streamOf } from "../echo.ts";

const closers: (() => Promise<unknown>)[] = [];
after(async () => {
  await Promise.all(closers.map((close) => close()));
});

async function serveEcho(options: Partial<ServeOptions> = {}): Promise<Server> {
  const mesh = createMesh({ service: "echo" });
  const server = await mesh.serve({ routes: echoRoutes, hostname: "127.0.0.1", port: 0, ...options });
  closers.push(() => server.close({ force: true }));
  return server;
}

function meshTo(...endpoints: (string | Endpoint)[]): Mesh {
  const mesh = createMesh({ service: "caller", resolver: staticResolver({ echo: endpoints }) });
  closers.push(() => mesh.close());
  return mesh;
}

for (const protocol of ["grpc", "connect"] as const) {
  describe(`gRPC health over ${protocol}`, () => {
    const transportTo = (server: Server): MeshTransport => meshTo(server.url).transport("echo", { protocol });

    it("says NOT_SERVING to whoever watches before the connection closes, and does not hold up the end", async () => {
      const server = await serveEcho();
      const seen: Status[] = [];
      let closed: Promise<void> | undefined;
      for await (const { status } of createClient(Health, transportTo(server)).watch({})) {
        seen.push(status as Status);
        closed ??= server.close();
      }
      await closed;
      assert.deepEqual(seen, [Status.SERVING, Status.NOT_SERVING]);
      assert.equal(server.inFlight, 0);
    });

    it("tells of one service what the server said of it", async () => {
      const server = await serveEcho();
      const { health } = transportTo(server);
      const of = EchoService.typeName;
      const serving = { live: true, ready: true, status: "serving", details: "SERVING" };
      assert.deepEqual(await health({ of }), serving);
      server.setServing(of, false);
      assert.deepEqual(await health({ of }), {
        live: true,
        ready: false,
        status: "not_serving",
        details: "NOT_SERVING",
      });
      assert.deepEqual(await health(), serving);
      assert.equal((await health({ of: "no.such.Service" })).status, "service_unknown");
      server.setReady(false);
      assert.equal((await health()).status, "not_serving");
    });

    it("lets a watcher leave", async () => {
      const server = await serveEcho();
      const controller = new AbortController();
      const { signal } = controller;
      const watch = async (): Promise<void> => {
        for await (const _ of createClient(Health, transportTo(server)).watch({}, { signal }))
          controller.abort();
      };
      assert.equal((await errorOf(watch())).code, Code.Canceled);
      await server.close();
      assert.equal(server.inFlight, 0);
    });
  });
}

describe("the end of a server", () => {
  it("is told to watchers before HTTP/2 says goodbye", async () => {
    const server = await serveEcho();
    const session = connect(server.url);
    const events: string[] = [];
    const { promise: over, resolve: ended } = Promise.withResolvers<void>();
    session.on("goaway", () => events.push("GOAWAY"));
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Watch",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("data", (frame: Buffer) => {
      // The envelope's five bytes, the tag, and the status.
      events.push(frame[6] === Status.SERVING ? "SERVING" : "NOT_SERVING");
      if (frame[6] === Status.SERVING) void server.close();
    });
    session.on("close", ended);
    stream.end(new Uint8Array(5));
    await over;
    // A server with open streams says goodbye twice.
    assert.deepEqual([...new Set(events)], ["SERVING", "NOT_SERVING", "GOAWAY"]);
  });
});

describe("transport.health()", () => {
  it("tells an endpoint that does not respond from one that responds something else", async () => {
    const silent = await serveEcho({ health: false });
    const transport = meshTo(silent.url).transport("echo");
    assert.deepEqual(await transport.health(), {
      live: true,
      ready: false,
      status: "unknown",
      details: `Cannot call "${Health.typeName}/Check": the service "${Health.typeName}" is not served here`,
    });
    await silent.close({ force: true });
    const { live, ready, status } = await transport.health();
    assert.deepEqual({ live, ready, status }, { live: false, ready: false, status: "unreachable" });
  });

  it("fails only for a caller that cancels", async () => {
    const server = await serveEcho();
    const health = meshTo(server.url).transport("echo").health({ signal: AbortSignal.abort() });
    assert.equal((await errorOf(health)).code, Code.Canceled);
  });
});

describe("reflection over gRPC", () => {
  it("responds on one stream as the questions come", async () => {
    const server = await serveEcho({ reflection: true });
    const client = createClient(ServerReflection, meshTo(server.url).transport("echo"));
    const responses = await all(
      client.serverReflectionInfo(
        streamOf(
          { messageRequest: { case: "listServices" as const, value: "" } },
          { messageRequest: { case: "fileContainingSymbol" as const, value: EchoService.typeName } },
          { messageRequest: { case: "fileByFilename" as const, value: "nowhere.proto" } },
        ),
      ),
    );
    assert.deepEqual(
      responses.map(({ messageResponse }) => messageResponse.case),
      ["listServicesResponse", "fileDescriptorResponse", "errorResponse"],
    );
  });
});

describe("a transport without a stated protocol", () => {
  const echoed = async (transport: MeshTransport): Promise<string> =>
    (await createClient(EchoService, transport).echo({ text: "hi" })).text;

  it("speaks gRPC, and says so", async () => {
    const server = await serveEcho();
    const mesh = meshTo(server.url);
    const transport = mesh.transport("echo");
    assert.equal(await echoed(transport), "hi");
    assert.equal(transport.protocol, "grpc");
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", { protocol: "grpc" }), 1);
  });

  it("speaks Connect where the resolver says that an endpoint knows no gRPC", async () => {
    const server = await serveEcho();
    const mesh = meshTo({ origin: server.url, protocols: ["connect", "grpc-web"] });
    const transport = mesh.transport("echo");
    assert.equal(transport.protocol, "connect");
    assert.equal(await echoed(transport), "hi");
    assert.equal(await metricValue(mesh.metrics, "mesh_client_requests_total", { protocol: "connect" }), 1);
  });

  /** A server with nothing but a fetch handler, which cannot serve native gRPC; and what it was sent. */
  async function serveFetchOnly() {
    const handler = createMesh({ service: "echo" }).handler({ routes: echoRoutes });
    const types: (string | null)[] = [];
    const listener = await runtime.listen({
      hostname: "127.0.0.1",
      ports: { all: 0 },
      tls: undefined,
      fetch: (request) => {
        types.push(request.headers.get("content-type"));
        return handler.fetch(request);
      },
      rpc: undefined,
      onConnectionError: () => {},
    });
    closers.push(() => listener.destroy());
    return { types, transport: meshTo(`http://127.0.0.1:${listener.ports.rest}`).transport("echo") };
  }

  it("finds out that an endpoint refuses gRPC, without losing a call", async () => {
    const { types, transport } = await serveFetchOnly();
    assert.equal(transport.protocol, "grpc");
    assert.equal(await echoed(transport), "hi");
    assert.equal(transport.protocol, "connect");
    assert.equal(await echoed(transport), "hi");
    assert.deepEqual(types, ["application/grpc+proto", "application/proto", "application/proto"]);
  });

  it("finds it out by a stream from the server, without losing it", async () => {
    const { types, transport } = await serveFetchOnly();
    const client = createClient(EchoService, transport);
    assert.equal((await all(client.expand({ text: "x", count: 3 }))).length, 3);
    assert.deepEqual(types, ["application/grpc+proto", "application/connect+proto"]);
  });

  it("finds it out by a stream to the server, without losing what was sent", async () => {
    const { types, transport } = await serveFetchOnly();
    const client = createClient(EchoService, transport);
    assert.equal((await client.collect(streamOf({ text: "a" }, { text: "b" }))).text, "a b");
    assert.deepEqual(types, ["application/grpc+proto", "application/connect+proto"]);
  });

  it("says of a stream to the server that sent too much to be kept that it never started", async () => {
    const { types, transport } = await serveFetchOnly();
    const client = createClient(EchoService, transport);
    const payload = new Uint8Array(300 * 1024);
    const error = await errorOf(client.collect(streamOf({ payload }, { text: "b" })));
    assert.equal(error.code, Code.Unavailable);
    assert.ok(isTransportError(error.cause) && error.cause.neverStarted, String(error.cause));
    assert.equal((await client.collect(streamOf({ text: "a" }, { text: "b" }))).text, "a b");
    assert.deepEqual(types, ["application/grpc+proto", "application/connect+proto"]);
  });

  it("goes over HTTP/1.1 to an endpoint that speaks nothing else, unless the version is fixed", async () => {
    const http1 = createHttp1Server(connectNodeAdapter({ routes: echoRoutes as never }));
    await new Promise<void>((resolve) => http1.listen(0, "127.0.0.1", resolve));
    closers.push(() => {
      http1.closeAllConnections();
      return new Promise((resolve) => http1.close(resolve));
    });
    const origin = `http://127.0.0.1:${(http1.address() as AddressInfo).port}`;
    const mesh = meshTo(origin);
    const transport = mesh.transport("echo");
    const client = createClient(EchoService, transport);
    assert.equal((await all(client.expand({ text: "x", count: 3 }))).length, 3);
    assert.equal(transport.protocol, "connect");
    assert.equal(await echoed(transport), "hi");
    const fixed = createClient(EchoService, mesh.transport("echo", { httpVersion: "2" }));
    const error = await errorOf(fixed.echo({ text: "hi" }));
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.rawMessage, /speaks HTTP\/1\.1 alone/);
  });

  it("takes no server at its word that only says what a refusal looks like", async () => {
    const server = await serveEcho();
    const transport = meshTo(server.url).transport("echo");
    const client = createClient(EchoService, transport);
    const error = await errorOf(client.echo({ text: "HTTP 415", fail: Code.Unknown }));
    assert.deepEqual([error.code, error.rawMessage], [Code.Unknown, "HTTP 415"]);
    assert.equal(transport.protocol, "grpc");
  });

  it("finds a service that leaves native gRPC out by the other protocols", async () => {
    const server = await serveEcho({
      routes: (router) => router.service(EchoService, { echo: ({ text }) => ({ text }) }, { grpc: false }),
    });
    const mesh = meshTo(server.url);
    const grpc = createClient(EchoService, mesh.transport("echo", { protocol: "grpc" }));
    assert.equal((await errorOf(grpc.echo({ text: "hi" }))).code, Code.Unimplemented);
    for (const protocol of ["grpc-web", "connect"] as const) {
      assert.equal(await echoed(mesh.transport("echo", { protocol })), "hi");
    }
  });

  it("sends what has no side effects as GET where it is asked to", async () => {
    const handler = createMesh({ service: "echo" }).handler({ routes: echoRoutes });
    const methods: string[] = [];
    const listener = await runtime.listen({
      hostname: "127.0.0.1",
      ports: { all: 0 },
      tls: undefined,
      fetch: (request) => {
        methods.push(request.method);
        return handler.fetch(request);
      },
      rpc: undefined,
      onConnectionError: () => {},
    });
    closers.push(() => listener.destroy());
    const mesh = meshTo(`http://127.0.0.1:${listener.ports.rest}`);
    const client = createClient(
      EchoService,
      mesh.transport("echo", { protocol: "connect", useHttpGet: true }),
    );
    assert.equal((await client.get({ text: "read" })).text, "read");
    assert.equal((await client.echo({ text: "write" })).text, "write");
    assert.deepEqual(methods, ["GET", "POST"]);
    assert.throws(() => mesh.transport("echo", { protocol: "grpc", useHttpGet: true }), TypeError);
  });
});
