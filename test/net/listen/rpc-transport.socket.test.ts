import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { createDispatcher } from "../../../src/rpc/server/create-dispatcher.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { all, echoRoutes, errorOf, OpenPipeline } from "../../rpc/echo.ts";
import { unless } from "../../support/capability.ts";
import { createAuthority } from "../../support/certificates.ts";
import { serve, signal, within } from "./listener-fixture.ts";

describe("RPC transport against the listener", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
    const open = (origin: string, tls?: Parameters<typeof runtime.openRpcTransport>[0]["tls"]) => {
      const transport = runtime.openRpcTransport({
        origin,
        protocol,
        tls,
        useBinaryFormat: true,
        maxMessageBytes: 100_000,
        maxConnectionsPerEndpoint: 100,
      });
      cleanup.add(() => transport.close());
      return createClient(EchoService, transport.transport);
    };

    it(`shows its certificate (${protocol})`, unless("mtlsClient"), async () => {
      const authority = await createAuthority();
      const server = await serve(cleanup, () => new Response(), {
        tls: { ...(await authority.issue()), clientAuth: "require" },
      });
      const client = open(
        `https://localhost:${server.port}`,
        await authority.issue({ commonName: "gateway" }),
      );
      assert.equal((await within(client.echo({ text: "hello" }), "a response")).text, "hello");
      assert.equal(server.pipeline.requests[0]?.connection.peer?.commonName, "gateway");
    });

    it(`moves from a drained server to the one that comes after it (${protocol})`, async () => {
      const first = await serve(cleanup, () => new Response());
      const client = open(`http://127.0.0.1:${first.port}`);
      assert.equal((await within(client.echo({ text: "first" }), "a response")).text, "first");
      await within(first.listener.drain(), "the drain");
      await within(first.listener.destroy(), "the end");
      await errorOf(within(client.echo({ text: "nobody" }), "a response"));
      const second = await serve(cleanup, () => new Response(), { ports: { all: first.port } });
      assert.equal((await within(client.echo({ text: "second" }), "a response")).text, "second");
      assert.equal(second.pipeline.calls.length, 1);
    });

    it(`does not send more than it may (${protocol})`, async () => {
      const server = await serve(cleanup, () => new Response());
      const client = open(`http://127.0.0.1:${server.port}`);
      const payload = new Uint8Array(200_000);
      assert.equal((await errorOf(within(client.echo({ payload }), "a response"))).code, 8);
      assert.equal((await within(client.echo({ text: "fits" }), "a response")).text, "fits");
    });

    it(`says that a server is gone (${protocol})`, async () => {
      const server = await serve(cleanup, () => new Response());
      const client = open(`http://127.0.0.1:${server.port}`);
      await server.listener.destroy();
      const error = await errorOf(within(client.echo({ text: "nobody" }), "a response"));
      let cause: unknown = error;
      let fault = runtime.faultOf(cause);
      for (; fault === undefined && cause instanceof Error; cause = cause.cause)
        fault = runtime.faultOf(cause);
      // An error of the mesh's own names it itself.
      fault ??= (error.cause as { fault?: typeof fault } | undefined)?.fault;
      assert.equal(fault, "refused");
    });

    it(`hears of a server that breaks off a stream (${protocol})`, async () => {
      const began = signal();
      const server = await serve(cleanup, () => new Response(), {
        rpc: createDispatcher({
          pipeline: new OpenPipeline(),
          routes: (router) =>
            router.service(EchoService, {
              async *expand() {
                yield { text: "first" };
                began.fire();
                await new Promise(() => {});
              },
            }),
        }),
      });
      const client = open(`http://127.0.0.1:${server.port}`);
      const messages = errorOf(within(all(client.expand({})), "the stream to break"));
      await within(began.promise, "the handler");
      await server.listener.destroy();
      await messages;
    });
  }

  it("serves gRPC and HTTP/1.1 clients of one process at the same time", async () => {
    const server = await serve(cleanup, () => new Response("rest"), {
      rpc: createDispatcher({ pipeline: new OpenPipeline(), routes: echoRoutes }),
    });
    const origin = `http://127.0.0.1:${server.port}`;
    const clients = (["grpc", "grpc-web", "connect"] as const).map((protocol) => {
      const transport = runtime.openRpcTransport({
        origin,
        protocol,
        tls: undefined,
        useBinaryFormat: true,
        maxMessageBytes: 4_000_000,
        maxConnectionsPerEndpoint: 100,
      });
      cleanup.add(() => transport.close());
      return createClient(EchoService, transport.transport);
    });
    const texts = Array.from({ length: 60 }, (_, index) => `call ${index}`);
    const answers = await within(
      Promise.all(
        texts.map(async (text, index) => {
          const rest = await fetch(origin);
          assert.equal(await rest.text(), "rest");
          return (await clients[index % 3]!.echo({ text })).text;
        }),
      ),
      "all responses",
    );
    assert.deepEqual(answers, texts);
  });
});
