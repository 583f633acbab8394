import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { createDispatcher } from "../../src/rpc/dispatch.ts";
import { createFetchDispatch } from "../../src/rpc/fetch-dispatch.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { OpenAdmission } from "../rpc/echo.ts";
import { unless } from "../support/capability.ts";
import { type StrayFailures, watchStrayFailures } from "../support/stray-failures.ts";
import { Cleanup, failure } from "./grpc-wire-checks.ts";
import { http1, openTcp, serve, signal, type TestServer, within } from "./listener-fixture.ts";

/** `Headers` take it, and no response can carry it. */
const unsendable = "a\x01b";

describe("A native server", unless("listen"), () => {
  const cleanup = new Cleanup();
  let stray: StrayFailures;
  beforeEach(() => {
    stray = watchStrayFailures();
  });
  afterEach(async () => {
    await cleanup.run();
    stray.stop();
  });

  async function split(began = signal()): Promise<{ server: TestServer; told: unknown[] }> {
    const told: unknown[] = [];
    const rpc = createDispatcher({
      admission: new OpenAdmission(),
      onError: (_, error) => told.push(error),
      routes: (router) =>
        router.service(EchoService, {
          echo({ text }, context) {
            context.responseHeader.set("x-bad", unsendable);
            return { text };
          },
          get: ({ text }) => ({ text }),
        }),
    });
    const serveRpc = createFetchDispatch(rpc);
    const server = await serve(
      cleanup,
      async (request, connection) => {
        const response = serveRpc(request, connection);
        if (response !== undefined) return response;
        const { pathname } = new URL(request.url);
        if (pathname === "/bad") return new Response("ok", { headers: { "x-bad": unsendable } });
        if (pathname !== "/hang") return new Response("fine");
        began.fire();
        return new Promise(() => {});
      },
      { ports: { rest: 0, grpc: 0 }, rpc },
    );
    return { server, told };
  }

  it("answers 500 for a header that cannot be sent, and goes on", async () => {
    const { server } = await split();
    assert.equal((await http1(server.port, { path: "/bad" })).status, 500);
    assert.equal((await http1(server.port, { path: "/" })).text, "fine");
    assert.match(String(server.handlerErrors), /x-bad|Invalid character/);
    assert.deepEqual(stray.seen, []);
  });

  for (const protocol of ["connect", "grpc-web"] as const) {
    it(`fails the RPC whose header cannot be sent, by ${protocol}, and goes on`, async () => {
      const { server, told } = await split();
      const leaf = runtime.openRpcLeaf({
        origin: `http://127.0.0.1:${server.port}`,
        protocol,
        httpVersion: "1.1",
        tls: undefined,
        maxConnectionsPerEndpoint: 1,
        useBinaryFormat: true,
        maxMessageBytes: 1_000,
      });
      cleanup.add(() => leaf.close());
      const client = createClient(EchoService, leaf.transport);
      const error = await within(failure(client.echo({ text: "a" })), "the failure");
      assert.deepEqual([error.code, error.rawMessage], [Code.Internal, "internal error"]);
      assert.match(String(told), /x-bad/);
      assert.equal((await client.get({ text: "next" })).text, "next");
      assert.deepEqual(stray.seen, []);
    });
  }

  it("can be destroyed while it drains, although a handler hangs", async () => {
    const began = signal();
    const { server } = await split(began);
    const socket = await openTcp(cleanup, server.port);
    socket.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n");
    await within(began.promise, "the request");
    const drained = server.listener.drain();
    await within(server.listener.destroy(), "the end");
    socket.destroy();
    await within(drained, "the end of the drain");
    assert.deepEqual(stray.seen, []);
  });
});
