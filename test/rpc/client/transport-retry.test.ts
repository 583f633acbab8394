import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { TransportError } from "../../../src/core/errors.ts";
import { meshCallOptions } from "../../../src/rpc/context.ts";
import { type EchoRequest, EchoService } from "../../gen/test/v1/echo_pb.ts";
import { settle } from "../../support/virtual-clock.ts";
import { all, errorOf, serveInProcess, streamOf } from "../echo.ts";
import { inProcessTransport, openClient } from "./mesh-client.ts";

const unavailable = (): ConnectError => new ConnectError("restarting", Code.Unavailable);

/** A service whose first responses fail; `before` says how many messages a stream sends first. */
function serveFlaky(failures: number, fail: () => ConnectError = unavailable, before = 0) {
  const requests: string[] = [];
  let left = failures;
  const answer = (request: EchoRequest): { text: string } => {
    requests.push(request.text);
    if (left-- > 0) throw fail();
    return { text: request.text };
  };
  const server = serveInProcess({
    routes: (router) =>
      router.service(EchoService, {
        echo: answer,
        get: answer,
        put: answer,
        async *expand(request) {
          for (let index = 0; index < before; index++) yield { index };
          yield answer(request);
        },
        async collect(messages) {
          const texts = (await all(messages)).map(({ text }) => text);
          return answer({ text: texts.join(" ") } as EchoRequest);
        },
      }),
  });
  return { ...server, requests };
}

describe("createMeshTransport() with a retry", () => {
  for (const protocol of ["connect", "grpc-web"] as const) {
    it(`repeats a call without side effects, by ${protocol}`, async () => {
      const { fetch, requests } = serveFlaky(2);
      const transport = inProcessTransport(fetch, protocol);
      const { client, clock, outcome } = openClient({ transportFor: () => transport, protocol });
      const response = await clock.run(client.get({ text: "again" }));
      assert.equal(response.text, "again");
      assert.deepEqual(requests, ["again", "again", "again"]);
      assert.equal(outcome()?.status, "ok");
    });

    it(`repeats a stream that failed before its first message, by ${protocol}`, async () => {
      const { fetch, requests } = serveFlaky(1);
      const transport = inProcessTransport(fetch, protocol);
      const { client, clock, attempts, outcome } = openClient({ transportFor: () => transport, protocol });
      const responses = await clock.run(all(client.expand({ text: "again" })));
      assert.deepEqual(
        responses.map(({ text }) => text),
        ["again"],
      );
      assert.deepEqual(requests, ["again", "again"]);
      assert.deepEqual(
        attempts.map((attempt) => attempt.outcome?.status),
        ["unavailable", "ok"],
      );
      assert.equal(outcome()?.status, "ok");
    });
  }

  it("never repeats a stream after its first message", async () => {
    const { fetch, requests } = serveFlaky(1, unavailable, 1);
    const transport = inProcessTransport(fetch);
    const { client, outcome } = openClient({ transportFor: () => transport });
    const error = await errorOf(all(client.expand({ text: "once" })));
    assert.deepEqual([error.code, error.rawMessage], [Code.Unavailable, "restarting"]);
    assert.deepEqual(requests, ["once"]);
    assert.equal(outcome()?.status, "unavailable");
  });

  it("repeats a call of unknown idempotency only when it never started", async () => {
    const { fetch, requests } = serveFlaky(1);
    const transport = inProcessTransport(fetch);
    const once = openClient({ transportFor: () => transport });
    assert.equal((await errorOf(once.client.echo({ text: "once" }))).code, Code.Unavailable);
    assert.deepEqual(requests, ["once"]);

    let refusals = 2;
    const refusing = inProcessTransport((url, init) =>
      refusals-- > 0 ? Promise.reject(new TransportError("refused", "connection refused")) : fetch(url, init),
    );
    const twice = openClient({ transportFor: () => refusing });
    assert.equal((await twice.clock.run(twice.client.echo({ text: "at last" }))).text, "at last");
    assert.equal(twice.attempts.length, 3);
  });

  it("takes the caller's word over the method's", async () => {
    const { fetch, requests } = serveFlaky(1);
    const transport = inProcessTransport(fetch);
    const { client, clock } = openClient({ transportFor: () => transport });
    const contextValues = createContextValues().set(meshCallOptions, { idempotent: true });
    assert.equal((await clock.run(client.echo({ text: "twice" }, { contextValues }))).text, "twice");
    assert.deepEqual(requests, ["twice", "twice"]);
  });

  it("waits as long as the server says", async () => {
    const { fetch } = serveFlaky(
      1,
      () => new ConnectError("later", Code.ResourceExhausted, { "grpc-retry-pushback-ms": "1234" }),
    );
    const transport = inProcessTransport(fetch);
    const { client, clock } = openClient({ transportFor: () => transport });
    const before = clock.now();
    await clock.run(client.get({}));
    assert.equal(clock.now() - before, 1234);
  });

  it("stops when the server forbids it, and shows the server's error", async () => {
    const { fetch, requests } = serveFlaky(
      1,
      () => new ConnectError("do not", Code.Unavailable, { "grpc-retry-pushback-ms": "-1" }),
    );
    const transport = inProcessTransport(fetch);
    const { client } = openClient({ transportFor: () => transport });
    const error = await errorOf(client.get({ text: "a" }));
    assert.deepEqual([error.code, error.rawMessage, requests.length], [Code.Unavailable, "do not", 1]);
  });

  it("shows the last attempt's own error", async () => {
    let count = 0;
    const { fetch } = serveFlaky(9, () => new ConnectError(`failure ${++count}`, Code.Unavailable));
    const transport = inProcessTransport(fetch);
    const { client, clock, outcome } = openClient({ transportFor: () => transport });
    const error = await clock.run(errorOf(client.get({})));
    assert.deepEqual(
      [error.code, error.rawMessage, error.isWireError],
      [Code.Unavailable, "failure 3", true],
    );
    assert.equal(outcome()?.status, "unavailable");
  });

  it("never sends a request stream twice once it was read", async () => {
    const { fetch, requests } = serveFlaky(1);
    const transport = inProcessTransport(fetch);
    const { client } = openClient({ transportFor: () => transport });
    const contextValues = createContextValues().set(meshCallOptions, { idempotent: true });
    const error = await errorOf(client.collect(streamOf({ text: "a" }, { text: "b" }), { contextValues }));
    assert.equal(error.code, Code.Unavailable);
    assert.deepEqual(requests, ["a b"]);
  });

  it("sends a request stream to the next endpoint while nobody has read it", async () => {
    const { fetch, requests } = serveFlaky(0);
    let refusals = 1;
    const transport = inProcessTransport((url, init) =>
      refusals-- > 0 ? Promise.reject(new TransportError("refused", "connection refused")) : fetch(url, init),
    );
    const { client, clock, attempts } = openClient({ transportFor: () => transport });
    const response = await clock.run(client.collect(streamOf({ text: "a" }, { text: "b" })));
    assert.equal(response.text, "a b");
    assert.deepEqual([requests, attempts.length], [["a b"], 2]);
  });

  it("does not repeat a message that is too large", async () => {
    const { client, attempts } = openClient({
      transportFor: () => {
        throw new ConnectError(
          "message size 9 is larger than configured writeMaxBytes 1",
          Code.ResourceExhausted,
        );
      },
    });
    const error = await errorOf(client.get({}));
    assert.deepEqual([error.code, attempts.length], [Code.ResourceExhausted, 1]);
  });

  it("cancels the wait before the next attempt with the call", async () => {
    const { fetch, requests } = serveFlaky(1);
    const transport = inProcessTransport(fetch);
    const { client, clock } = openClient({ transportFor: () => transport });
    const abort = new AbortController();
    const answer = errorOf(client.get({ text: "a" }, { signal: abort.signal }));
    await settle();
    await settle();
    abort.abort();
    assert.equal((await answer).code, Code.Canceled);
    await clock.advance(1_000);
    assert.equal(requests.length, 1);
  });
});
