import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { createDispatcher } from "../../../src/rpc/server/create-dispatcher.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { serve, settled, type TestServer } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { all, Cleanup, failure } from "../client/grpc-checks.ts";
import { open } from "../client/grpc-fixture.ts";
import { OpenPipeline } from "../echo.ts";
import { until } from "../socket-fixture.ts";

/** `Headers` take it, and no header block does. */
const unsendable = "a\x01b";

describe("A gRPC response that cannot be written", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  interface Served extends Pick<TestServer, "port" | "listener"> {
    readonly server: TestServer;
    readonly pipeline: OpenPipeline;
    readonly told: unknown[];
  }

  async function serveEcho(
    handle: (context: HandlerContext) => void | Promise<void>,
    clock?: VirtualClock,
  ): Promise<Served> {
    const pipeline = new OpenPipeline(clock);
    const told: unknown[] = [];
    const rpc = createDispatcher({
      pipeline,
      onError: (_, error) => told.push(error),
      ...(clock && { clock, maxTimeoutMs: 1_000 }),
      routes: (router) =>
        router.service(EchoService, {
          async echo({ text }, context) {
            await handle(context);
            return { text };
          },
          get: ({ text }) => ({ text }),
          async *expand({ text, count }, context) {
            for (let at = 0; at < count; at++) yield { text };
            await handle(context);
          },
        }),
    });
    const server = await serve(cleanup, () => new Response(null, { status: 404 }), { rpc });
    return { server, port: server.port, listener: server.listener, pipeline, told };
  }

  for (const [part, spoil] of Object.entries<(context: HandlerContext) => void>({
    headers: ({ responseHeader }) => responseHeader.set("x-bad", unsendable),
    trailers: ({ responseTrailer }) => responseTrailer.set("x-bad", unsendable),
  })) {
    it(`fails the call alone, and tells why, when its ${part} are at fault`, async () => {
      const { server, pipeline, told } = await serveEcho(spoil);
      const { client } = open(cleanup, `http://127.0.0.1:${server.port}`);
      const error = await failure(client.echo({ text: "a" }));
      assert.deepEqual([error.code, error.rawMessage], [Code.Internal, "internal error"]);
      assert.match(String(told), /x-bad/);
      assert.equal((await client.get({ text: "next" })).text, "next");
      assert.equal(await settled(server), 0);
      assert.deepEqual(
        pipeline.outcomes.map((outcome) => outcome?.status),
        ["internal", "ok"],
      );
    });

    it(`keeps the handler's own error when the ${part} beside it are at fault`, async () => {
      const { server, told } = await serveEcho((context) => {
        spoil(context);
        throw new ConnectError("no such thing", Code.NotFound);
      });
      const { client } = open(cleanup, `http://127.0.0.1:${server.port}`);
      const error = await failure(client.echo({ text: "a" }));
      assert.deepEqual([error.code, error.rawMessage], [Code.NotFound, "no such thing"]);
      assert.match(String(told), /x-bad/);
      assert.equal(await settled(server), 0);
    });

    it(`ends every call whose deadline passes in the same turn when their ${part} are at fault`, async () => {
      const clock = new VirtualClock();
      let running = 0;
      const { server, pipeline } = await serveEcho((context) => {
        spoil(context);
        running++;
        return new Promise(() => {});
      }, clock);
      const { client } = open(cleanup, `http://127.0.0.1:${server.port}`);
      const calls = [1, 2, 3].map(() => failure(client.echo({})));
      await until(() => running === calls.length, "the calls");
      await clock.advance(1_010);
      for (const error of await Promise.all(calls)) assert.equal(error.code, Code.DeadlineExceeded);
      assert.equal((await client.get({ text: "next" })).text, "next");
      assert.equal(await settled(server), 0);
      assert.deepEqual(
        pipeline.outcomes.map((outcome) => outcome?.status),
        ["deadline_exceeded", "deadline_exceeded", "deadline_exceeded", "ok"],
      );
    });
  }

  it("says so behind the messages of a stream", async () => {
    const { server, told } = await serveEcho(({ responseTrailer }) => {
      responseTrailer.set("x-bad", unsendable);
    });
    const { client } = open(cleanup, `http://127.0.0.1:${server.port}`);
    const seen: string[] = [];
    const error = await failure(
      (async () => {
        for await (const { text } of client.expand({ text: "a", count: 3 })) seen.push(text);
      })(),
    );
    assert.deepEqual([seen.length, error.code], [3, Code.Internal]);
    assert.match(String(told), /x-bad/);
    assert.deepEqual(await all(client.expand({ count: 0 })).catch(() => "failed"), "failed");
    assert.equal(await settled(server), 0);
  });
});
