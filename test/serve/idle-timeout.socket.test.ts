import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { createDispatcher } from "../../src/rpc/server/create-dispatcher.ts";
import { createRequestPipeline } from "../../src/serve/request-pipeline.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { serve } from "../net/listen/listener-fixture.ts";
import { Cleanup, failure } from "../rpc/client/grpc-checks.ts";
import { open } from "../rpc/client/grpc-fixture.ts";
import { until } from "../rpc/socket-fixture.ts";
import { unless } from "../support/capability.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const minute = 60_000;

describe("a streaming RPC by gRPC", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function serveChat() {
    const clock = new VirtualClock();
    const pipeline = createRequestPipeline({ service: "echo", clock, server: { rateLimit: false } });
    let received = 0;
    const rpc = createDispatcher({
      pipeline,
      clock,
      routes: (router) =>
        router.service(EchoService, {
          async collect(requests) {
            for await (const _ of requests) received++;
            return { index: received };
          },
          async *expand() {
            yield { text: "only" };
            await new Promise(() => {});
          },
        }),
    });
    const { port } = await serve(cleanup, () => new Response(null, { status: 404 }), { rpc });
    const { client } = open(cleanup, `http://127.0.0.1:${port}`);
    return { clock, pipeline, client, received: () => received };
  }

  it("goes on while the client sends, for as long as it takes", async () => {
    const { clock, client, received } = await serveChat();
    let release = (): void => {};
    async function* requests() {
      for (let sent = 1; sent <= 5; sent++) {
        yield { text: String(sent) };
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      }
    }
    const response = client.collect(requests());
    for (let sent = 1; sent <= 5; sent++) {
      await until(() => received() === sent);
      await clock.advance(4 * minute);
      release();
    }
    assert.equal((await response).index, 5);
  });

  it("ends when nothing of it has moved for 5 minutes", async () => {
    const { clock, client, pipeline } = await serveChat();
    const messages = client.expand({ text: "a" });
    const [first, rest] = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()];
    void (async () => {
      for await (const { text } of messages) if (text === "only") first.resolve();
    })().catch(rest.resolve);
    await first.promise;
    await clock.advance(4 * minute);
    assert.equal(pipeline.inFlight, 1);
    await clock.advance(3 * minute);
    assert.equal(pipeline.inFlight, 0);
    const error = await failure(Promise.reject(await rest.promise));
    assert.equal(error.code, Code.DeadlineExceeded);
    assert.match(error.rawMessage, /nothing of it has moved for 300000 ms/);
  });
});
