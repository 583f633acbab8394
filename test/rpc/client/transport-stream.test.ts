import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CallOptions, Code, ConnectError, type StreamResponse } from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { settle } from "../../support/virtual-clock.ts";
import { all, errorOf, serveInProcess, streamOf } from "../echo.ts";
import { inProcessTransport, type MeshClient, openClient } from "./mesh-client.ts";

type ExpandResponse = StreamResponse<
  typeof EchoService.method.expand.input,
  typeof EchoService.method.expand.output
>;

/** A service that sends some messages and then waits for its signal. */
function openSlow(messages = 1): MeshClient & { readonly ended: string[] } {
  const ended: string[] = [];
  const { fetch } = serveInProcess({
    routes: (router) =>
      router.service(EchoService, {
        async *expand(_request, context) {
          try {
            for (let index = 0; index < messages; index++) yield { index };
            await new Promise((_resolve, reject) => {
              context.signal.addEventListener("abort", () => reject(context.signal.reason));
            });
          } finally {
            ended.push("handler");
          }
        },
        async *chat(requests) {
          for await (const { text } of requests) yield { text };
        },
      }),
  });
  const transport = inProcessTransport(fetch);
  return { ...openClient({ transportFor: () => transport }), ended };
}

function expand(client: MeshClient, timeoutMs?: number, signal?: AbortSignal): Promise<ExpandResponse> {
  return client.transport.stream(
    EchoService.method.expand,
    signal,
    timeoutMs,
    undefined,
    streamOf({ count: 1 }),
  );
}

/** The wheel that watches deadlines keeps its timer for one last turn. */
async function assertNoTimers(mesh: MeshClient): Promise<void> {
  await mesh.clock.advance(100);
  assert.equal(mesh.clock.pending, 0);
}

describe("a stream of createMeshTransport()", () => {
  it("ends its call when it has been read to the end, once", async () => {
    const mesh = openClient();
    const response = await mesh.transport.stream(
      EchoService.method.expand,
      undefined,
      undefined,
      undefined,
      createAsyncIterable([{ text: "x", count: 2 }]),
    );
    assert.equal(mesh.outcome(), undefined);
    const iterator = response.message[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.next();
    assert.equal(mesh.outcome(), undefined);
    assert.equal((await iterator.next()).done, true);
    assert.equal(mesh.outcome()?.status, "ok");
    assert.equal(response.trailer.get("x-echo-trailer"), "x");
    assert.equal((await iterator.next()).done, true);
    await assertNoTimers(mesh);
  });

  it("ends its call with the error that ended it", async () => {
    const mesh = openClient();
    const error = await errorOf(all(mesh.client.expand({ text: "lost", count: 2, fail: Code.DataLoss })));
    assert.deepEqual([error.code, error.rawMessage], [Code.DataLoss, "lost"]);
    assert.deepEqual([mesh.outcome()?.kind, mesh.outcome()?.status], ["failure", "data_loss"]);
    assert.equal(mesh.attempts[0]?.outcome, mesh.outcome());
  });

  it("ends its call and the server's when its reader leaves early", async () => {
    const mesh = openSlow();
    const response = await expand(mesh);
    for await (const { index } of response.message) {
      assert.equal(index, 0);
      break;
    }
    assert.equal(mesh.outcome()?.kind, "cancelled");
    await settle();
    await settle();
    assert.deepEqual(mesh.ended, ["handler"]);
    await assertNoTimers(mesh);
  });

  it("goes on when a reader of Connect's own client leaves early, until its signal aborts", async () => {
    const mesh = openSlow();
    const abort = new AbortController();
    for await (const _ of mesh.client.expand({}, { signal: abort.signal })) break;
    await settle();
    assert.equal(mesh.outcome(), undefined);
    abort.abort();
    assert.equal(mesh.outcome()?.kind, "cancelled");
    await settle();
    await settle();
    assert.deepEqual(mesh.ended, ["handler"]);
    await assertNoTimers(mesh);
  });

  it("ends its call at the deadline though nobody reads", async () => {
    const mesh = openSlow();
    const response = await expand(mesh, 2_000);
    await mesh.clock.advance(2_010);
    assert.equal(mesh.outcome()?.status, "deadline_exceeded");
    const iterator = response.message[Symbol.asyncIterator]();
    assert.equal((await iterator.next()).value.index, 0);
    assert.equal((await errorOf(iterator.next())).code, Code.DeadlineExceeded);
    await assertNoTimers(mesh);
  });

  it("says deadline_exceeded to a reader who waits", async () => {
    const mesh = openSlow(2);
    const seen: number[] = [];
    const reading = errorOf(
      (async () => {
        for await (const { index } of mesh.client.expand({}, { timeoutMs: 2_000 })) seen.push(index);
      })(),
    );
    await mesh.clock.advance(2_010);
    assert.equal((await reading).code, Code.DeadlineExceeded);
    assert.deepEqual(seen, [0, 1]);
  });

  it("says canceled to a reader whose signal aborts", async () => {
    const mesh = openSlow(1);
    const abort = new AbortController();
    const error = await errorOf(
      (async () => {
        for await (const _ of mesh.client.expand({}, { signal: abort.signal })) abort.abort();
      })(),
    );
    assert.equal(error.code, Code.Canceled);
    assert.equal(mesh.outcome()?.kind, "cancelled");
  });

  it("lets go of the request stream when the call ends", async () => {
    const mesh = openClient({
      transportFor: () => {
        throw new ConnectError("no way", Code.FailedPrecondition);
      },
    });
    let closed = false;
    const requests: AsyncIterable<{ text: string }> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        async return() {
          closed = true;
          return { done: true, value: undefined };
        },
      }),
    };
    assert.equal((await errorOf(mesh.client.collect(requests))).code, Code.FailedPrecondition);
    assert.equal(closed, true);
  });

  it("hands back the head of a bidi call before anybody has sent", async () => {
    const mesh = openSlow();
    const response = await mesh.transport.stream(
      EchoService.method.chat,
      undefined,
      undefined,
      undefined,
      streamOf({ text: "a" }, { text: "b" }),
    );
    const texts = (await all(response.message)).map(({ text }) => text);
    assert.deepEqual(texts, ["a", "b"]);
    assert.equal(mesh.outcome()?.status, "ok");
  });

  it("refuses arguments that make no sense as any other error, whatever the kind of the call", async () => {
    const { client } = openClient();
    const headers: [string, string][] = [["bad name", "x"]];
    for (const call of [
      (options: CallOptions) => client.echo({}, options),
      (options: CallOptions) => all(client.expand({}, options)),
      (options: CallOptions) => client.collect(streamOf({}), options),
      (options: CallOptions) => all(client.chat(streamOf({}), options)),
    ]) {
      assert.match((await errorOf(call({ headers }))).rawMessage, /header name/i);
      const { code, rawMessage } = await errorOf(call({ timeoutMs: Number.NaN }));
      assert.equal(code, Code.InvalidArgument);
      assert.match(rawMessage, /^Cannot call .*EchoService\/\w+: timeoutMs is NaN; pass milliseconds/);
    }
  });
});
