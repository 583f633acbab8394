import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { after, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { createDispatcher } from "../../../src/rpc/server/create-dispatcher.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { OpenPipeline } from "../../rpc/echo.ts";
import { unless } from "../../support/capability.ts";
import {
  foreignSession,
  http1,
  openHttp2,
  serve,
  settled,
  signal,
  type TestServer,
  within,
} from "./listener-fixture.ts";

const chunk = new Uint8Array(65_536).fill(97);
/** Far more than all the buffers between two sockets hold. */
const chunks = 1_024;
const total = chunk.length * chunks;

/** Responds other requests until `count` stands still; fails when it reaches `limit`, which nobody held back. */
async function standstill(count: () => number, limit: number, turn: () => Promise<unknown>): Promise<number> {
  let before = -1;
  for (let same = 0; same < 20; ) {
    await turn();
    const now = count();
    assert.ok(now < limit, "nothing held the sender back");
    same = now === before ? same + 1 : 0;
    before = now;
  }
  return before;
}

describe("streams through the listener", unless("listen"), () => {
  const cleanup = new Cleanup();
  let server: TestServer;
  /** What the handler of a test does; set before its request. */
  let handle: (request: Request) => Response | Promise<Response>;
  before(async () => {
    server = await serve(cleanup, (request) => {
      return request.url.endsWith("/ping") ? new Response("pong") : handle(request);
    });
  });
  after(() => cleanup.run());
  const ping = (): Promise<unknown> => http1(server.port, { path: "/ping" });

  /** Sends one request that a test can break off; `body` keeps the request open. */
  function open(version: 1 | 2, upload: boolean) {
    const method = upload ? "POST" : "GET";
    if (version === 1) {
      const request = httpRequest({ host: "127.0.0.1", port: server.port, path: "/", method, agent: false });
      request.on("error", () => {});
      if (upload) request.flushHeaders();
      else request.end();
      return {
        writable: request,
        response: new Promise<NodeJS.ReadableStream>((resolve) => request.once("response", resolve)),
        vanish: () => request.destroy(),
      };
    }
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    const stream = session.request({ ":path": "/", ":method": method }, { endStream: !upload });
    stream.on("error", () => {});
    return {
      writable: stream,
      response: new Promise<NodeJS.ReadableStream>((resolve) =>
        stream.once("response", () => resolve(stream)),
      ),
      vanish: () => session.destroy(),
    };
  }

  for (const version of [1, 2] as const) {
    const name = version === 1 ? "HTTP/1.1" : "HTTP/2";

    it(`makes a source wait for a client that does not read (${name})`, async () => {
      let pulled = 0;
      handle = () =>
        new Response(
          new ReadableStream<Uint8Array>({
            pull(controller) {
              if (pulled === chunks) controller.close();
              else {
                pulled++;
                controller.enqueue(chunk);
              }
            },
          }),
        );
      const { response } = open(version, false);
      const readable = await within(response, "a response");
      readable.pause();
      await standstill(() => pulled, chunks, ping);
      let received = 0;
      readable.on("data", (data: Buffer) => {
        received += data.length;
      });
      readable.resume();
      await within(new Promise((resolve) => readable.on("end", resolve)), "the rest", 60_000);
      assert.equal(received, total);
    });

    it(`makes a client wait for a handler that does not read (${name})`, async () => {
      const read = signal();
      handle = async (request) => {
        await read.promise;
        let length = 0;
        for await (const data of request.body ?? []) length += data.length;
        return new Response(String(length));
      };
      const { writable, response } = open(version, true);
      let sent = 0;
      const send = (): void => {
        while (sent < chunks) {
          sent++;
          if (!writable.write(chunk)) {
            writable.once("drain", send);
            return;
          }
        }
        writable.end();
      };
      send();
      await standstill(() => sent, chunks, ping);
      read.fire();
      const readable = await within(response, "a response", 60_000);
      let text = "";
      readable.on("data", (data: Buffer) => {
        text += data.toString();
      });
      await within(new Promise((resolve) => readable.on("end", resolve)), "the rest");
      assert.equal(text, String(total));
    });

    it(`sends the first piece of a stream at once (${name})`, async () => {
      const second = signal();
      handle = () =>
        new Response(
          new ReadableStream<Uint8Array>({
            async start(controller) {
              controller.enqueue(new TextEncoder().encode("event: first\n\n"));
              await second.promise;
              controller.enqueue(new TextEncoder().encode("event: second\n\n"));
              controller.close();
            },
          }),
          { headers: { "content-type": "text/event-stream" } },
        );
      const readable = await within(open(version, false).response, "a response");
      const first = await within(
        new Promise<Buffer>((resolve) => readable.once("data", resolve)),
        "the first event",
      );
      assert.equal(first.toString(), "event: first\n\n");
      second.fire();
      await within(new Promise((resolve) => readable.on("data", () => {}).on("end", resolve)), "the end");
    });

    it(`sends headers before the first piece of a stream exists (${name})`, async () => {
      const first = signal();
      handle = () =>
        new Response(
          new ReadableStream<Uint8Array>({
            async pull(controller) {
              await first.promise;
              controller.close();
            },
          }),
        );
      await within(open(version, false).response, "headers");
      first.fire();
    });

    it(`cancels the source of a response whose client vanished (${name})`, async () => {
      const cancelled = signal<unknown>();
      const aborted = signal();
      handle = (request) => {
        request.signal.addEventListener("abort", () => aborted.fire());
        return new Response(
          new ReadableStream<Uint8Array>({
            pull: (controller) => controller.enqueue(chunk),
            cancel: (reason) => cancelled.fire(reason),
          }),
        );
      };
      const { response, vanish } = open(version, false);
      const readable = await within(response, "a response");
      await within(new Promise((resolve) => readable.once("data", resolve)), "data");
      vanish();
      await within(cancelled.promise, "the source to be cancelled");
      await within(aborted.promise, "the signal");
    });

    it(`aborts the signal of a handler whose client vanished before the response (${name})`, async () => {
      const began = signal();
      const reason = signal<unknown>();
      handle = async (request) => {
        began.fire();
        await new Promise<void>((resolve) => request.signal.addEventListener("abort", () => resolve()));
        reason.fire(request.signal.reason);
        return new Response("too late");
      };
      const { vanish } = open(version, false);
      await within(began.promise, "the handler");
      vanish();
      assert.equal(((await within(reason.promise, "the signal")) as { code?: string }).code, "ERR_CANCELLED");
      assert.equal(await settled(server), 0);
    });

    it(`fails the body of a client that vanished while sending it (${name})`, async () => {
      const began = signal();
      const failed = signal<unknown>();
      handle = async (request) => {
        try {
          for await (const _ of request.body ?? []) began.fire();
          failed.fire("complete");
        } catch (error) {
          failed.fire(error);
        }
        return new Response("too late");
      };
      const { writable, vanish } = open(version, true);
      writable.write("some");
      await within(began.promise, "the first piece");
      vanish();
      const error = await within(failed.promise, "the body to fail");
      assert.equal((error as { code?: string }).code, "ERR_CANCELLED");
    });

    it(`does not abort the signal of a request that was responded to (${name})`, async () => {
      let abortedAt: unknown = "not at all";
      let kept: AbortSignal | undefined;
      handle = (request) => {
        kept = request.signal;
        kept.addEventListener("abort", () => {
          abortedAt = kept?.reason;
        });
        return new Response("done");
      };
      const { response } = open(version, false);
      const readable = await within(response, "a response");
      await within(new Promise((resolve) => readable.on("data", () => {}).on("end", resolve)), "the end");
      await ping();
      assert.equal(abortedAt, "not at all");
      assert.equal(kept?.aborted, false);
    });
  }

  it("tells an RPC stream that its client vanished", async () => {
    const cancelled = signal();
    const pipeline = new OpenPipeline();
    const streaming = await serve(cleanup, () => new Response(), {
      rpc: createDispatcher({
        pipeline,
        routes: (router) =>
          router.service(EchoService, {
            async *expand(_request, context) {
              context.signal.addEventListener("abort", () => cancelled.fire());
              for (let index = 0; !context.signal.aborted; index++) {
                yield { index };
                await new Promise((resolve) => setImmediate(resolve));
              }
            },
          }),
      }),
    });
    const origin = `http://127.0.0.1:${streaming.port}`;
    const abort = new AbortController();
    const client = createClient(EchoService, createGrpcTransport(foreignSession(cleanup, origin)));
    const messages = client.expand({}, { signal: abort.signal })[Symbol.asyncIterator]();
    await within(messages.next(), "a message");
    assert.equal(streaming.listener.inFlight, 1);
    abort.abort();
    await messages.next().catch(() => {});
    await within(cancelled.promise, "the handler to hear of it");
  });
});
