import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { createDispatcher } from "../../../src/rpc/server/create-dispatcher.ts";
import type { RpcDispatcher } from "../../../src/rpc/server/dispatcher.ts";
import { createFetchDispatch } from "../../../src/rpc/server/fetch-dispatch.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { all, echoRoutes, errorOf, OpenPipeline } from "../../rpc/echo.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority } from "../../support/certificates.ts";
import {
  foreignSession,
  http1,
  http2,
  openHttp2,
  openTcp,
  serve,
  signal,
  type TestServer,
  within,
} from "./listener-fixture.ts";

describe("split ports", unless("listen"), () => {
  const cleanup = new Cleanup();
  let server: TestServer;
  let slow = signal();
  let began = signal();
  const seen = signal<AbortSignal>();
  const vanished = signal();
  before(async () => {
    const rpc: RpcDispatcher = createDispatcher({ pipeline: new OpenPipeline(), routes: echoRoutes });
    const serveRpc = createFetchDispatch(rpc);
    server = await serve(
      cleanup,
      async (request, connection) => {
        const answer = serveRpc(request, connection);
        if (answer !== undefined) return answer;
        const { pathname } = new URL(request.url);
        if (pathname === "/throws") throw new Error("the password is swordfish");
        if (pathname === "/slow") {
          began.fire();
          await slow.promise;
        }
        if (pathname === "/signal") seen.fire(request.signal);
        if (pathname === "/vanish") {
          began.fire();
          await new Promise<void>((resolve) => request.signal.addEventListener("abort", () => resolve()));
          vanished.fire();
        }
        if (pathname === "/echo") return new Response(request.body);
        return Response.json({
          pathname,
          address: connection.remoteAddress,
          encrypted: connection.encrypted,
        });
      },
      { ports: { rest: 0, grpc: 0 }, rpc },
    );
  });
  after(() => cleanup.run());

  it("opens two ports", () => {
    assert.notEqual(server.port, server.grpcPort);
    assert.ok(server.port > 0 && server.grpcPort > 0);
  });

  it("serves REST on the one", async () => {
    const { status, text } = await http1(server.port, { path: "/datasets" });
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(text), { pathname: "/datasets", address: "127.0.0.1", encrypted: false });
  });

  it("streams bodies through it", async () => {
    const body = "0123456789".repeat(100_000);
    assert.equal((await http1(server.port, { method: "POST", path: "/echo", body })).text, body);
  });

  it("responds with 500 there for a handler that throws, without its words", async () => {
    const { status, text } = await http1(server.port, { path: "/throws" });
    assert.equal(status, 500);
    assert.doesNotMatch(text, /swordfish/);
  });

  it("aborts the signal when the client vanishes, and not when it was responded to", async () => {
    await http1(server.port, { path: "/signal" });
    const answered = await seen.promise;
    await http1(server.port, { path: "/" });
    assert.equal(answered.aborted, false);
    began = signal();
    const socket = await openTcp(cleanup, server.port);
    socket.write("GET /vanish HTTP/1.1\r\nhost: a\r\n\r\n");
    await within(began.promise, "the handler");
    socket.destroy();
    await within(vanished.promise, "the signal");
  });

  it("serves Connect there", async () => {
    const baseUrl = `http://127.0.0.1:${server.port}`;
    const client = createClient(EchoService, createConnectTransport({ baseUrl, httpVersion: "1.1" }));
    assert.equal((await within(client.echo({ text: "hello" }), "a response")).text, "hello");
    assert.equal((await within(all(client.expand({ text: "x", count: 3 })), "a stream")).length, 3);
  });

  it("serves gRPC on the other", async () => {
    const baseUrl = `http://127.0.0.1:${server.grpcPort}`;
    const session = foreignSession(cleanup, baseUrl);
    const client = createClient(EchoService, createGrpcTransport(session));
    assert.equal((await within(client.echo({ text: "hello" }), "a response")).text, "hello");
    const error = await errorOf(within(client.echo({ text: "missing", fail: 5 }), "a response"));
    assert.equal(error.code, 5);
    // The last test closes the server.
    session.sessionManager.abort();
  });

  it("serves nothing else on the other", async () => {
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.grpcPort}`);
    assert.equal((await http2(session, { ":path": "/datasets" })).status, 404);
  });

  it("drains both", async () => {
    slow = signal();
    began = signal();
    const answer = http1(server.port, { path: "/slow" });
    await within(began.promise, "the handler");
    assert.equal(server.listener.inFlight, 1);
    const drained = server.listener.drain();
    await assert.rejects(http1(server.grpcPort), { code: "ECONNREFUSED" });
    slow.fire();
    assert.equal((await answer).status, 200);
    await within(drained, "the drain");
    await within(server.listener.destroy(), "the end");
    await assert.rejects(http1(server.port), { code: "ECONNREFUSED" });
  });
});

describe("split ports with certificates", unless("listen", "mtlsServer"), () => {
  const cleanup = new Cleanup();
  after(() => cleanup.run());

  it("demands them on both", async () => {
    const authority = await createAuthority();
    const tls = await authority.issue({ commonName: "server" });
    const identity = await authority.issue({ commonName: "lake" });
    const server = await serve(
      cleanup,
      (_request, connection) => new Response(connection.peer?.commonName ?? "nobody"),
      { ports: { rest: 0, grpc: 0 }, tls: { ...tls, clientAuth: "require" } },
    );
    const origins = [server.port, server.grpcPort].map((port) => `https://localhost:${port}`);
    for (const origin of origins) {
      const stranger = openHttp2(cleanup, origin, { ca: tls.ca });
      await assert.rejects(http2(stranger, { ":path": "/" }));
    }
    const known = openHttp2(cleanup, origins[0]!, identity);
    assert.equal((await http2(known, { ":path": "/" })).text, "lake");
    const client = createClient(
      EchoService,
      createGrpcTransport(foreignSession(cleanup, origins[1]!, { ...identity })),
    );
    assert.equal((await within(client.echo({ text: "hello" }), "a response")).text, "hello");
    assert.equal(server.pipeline.requests[0]?.connection.peer?.commonName, "lake");
  });

  it("serves TLS without client certificates too", async () => {
    const authority = await createAuthority();
    const tls = await authority.issue({ commonName: "server" });
    const server = await serve(
      cleanup,
      (_request, connection) => new Response(String(connection.encrypted)),
      { ports: { rest: 0, grpc: 0 }, tls: { ...tls, clientAuth: "none" } },
    );
    const session = openHttp2(cleanup, `https://localhost:${server.port}`, { ca: tls.ca });
    assert.equal((await http2(session, { ":path": "/" })).text, "true");
  });
});
