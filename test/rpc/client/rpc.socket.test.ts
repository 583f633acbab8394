import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { systemClock } from "../../../src/core/clock.ts";
import { MeshError } from "../../../src/core/errors.ts";
import { meshErrorFromConnectError } from "../../../src/rpc/dialect/mesh-error-codes.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { all, errorOf, streamOf } from "../echo.ts";
import { closeAll, deadOrigin, leavesOf, serveEcho, until } from "../socket-fixture.ts";
import { type OpenClientOptions, openClient as openMeshClient } from "./mesh-client.ts";

after(closeAll);

for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
  const transportFor = leavesOf(protocol);
  const openClient = (origins: readonly string[], options: OpenClientOptions<typeof systemClock> = {}) =>
    openMeshClient({
      transportFor,
      protocol,
      origins,
      clock: systemClock,
      faultOf: (error) => runtime.faultOf(error),
      ...options,
      retry: { backoff: () => 1 },
    });

  describe(`RPC over sockets by ${protocol}`, () => {
    it("carries every kind of call", async () => {
      const server = await serveEcho();
      const { client } = openClient([server.origin]);
      assert.equal((await client.echo({ text: "héllo" })).text, "héllo");
      assert.equal((await all(client.expand({ count: 50 }))).length, 50);
      assert.equal((await client.collect(streamOf({ text: "a" }, { text: "b" }))).text, "a b");
      await until(() => server.pipeline.outcomes.every((outcome) => outcome?.status === "ok"));
      assert.equal(server.pipeline.calls.length, 3);
    });

    it("carries a megabyte each way", async () => {
      const server = await serveEcho();
      const { client } = openClient([server.origin]);
      const payload = new Uint8Array(1024 * 1024).map((_, index) => index % 251);
      const answer = (await client.echo({ payload })).payload;
      assert.equal(answer.length, payload.length);
      assert.ok(answer.every((byte, index) => byte === payload[index]));
    });

    it("carries refusals of the chain with what they say", async () => {
      const server = await serveEcho();
      server.pipeline.check = () => {
        throw new MeshError("ERR_UNAUTHENTICATED", "Cannot accept the call: it carries no token — ✗");
      };
      const { client } = openClient([server.origin]);
      const unary = await errorOf(client.echo({}));
      assert.deepEqual(
        [unary.code, unary.rawMessage],
        [Code.Unauthenticated, "Cannot accept the call: it carries no token — ✗"],
      );
      assert.equal(meshErrorFromConnectError(unary)?.code, "ERR_UNAUTHENTICATED");
      const stream = await errorOf(all(client.expand({ count: 1 })));
      assert.equal(stream.code, Code.Unauthenticated);
    });

    it("waits as the server says before it tries again", async () => {
      const server = await serveEcho();
      let refusals = 1;
      server.pipeline.check = () => {
        if (refusals-- > 0) throw new MeshError("ERR_RATE_LIMITED", "slow down", { retryAfterMs: 30 });
      };
      const { client, attempts } = openClient([server.origin]);
      assert.equal((await client.get({ text: "a" })).text, "a");
      assert.equal(attempts[0]?.outcome?.pushbackMs, 30);
    });

    it("goes to another endpoint when nobody listens at the first, whatever the method", async () => {
      const server = await serveEcho();
      const { client, attempts } = openClient([await deadOrigin(), server.origin]);
      assert.equal((await client.echo({ text: "there" })).text, "there");
      assert.deepEqual(
        attempts.map((attempt) => [attempt.outcome?.status, attempt.outcome?.neverStarted]),
        [
          ["transport_refused", true],
          ["ok", false],
        ],
      );
    });

    it("says unavailable, with the cause, when nobody listens at all", async () => {
      const { client, outcome } = openClient([await deadOrigin()]);
      const error = await errorOf(client.echo({}));
      assert.equal(error.code, Code.Unavailable);
      assert.equal(runtime.faultOf(error), "refused");
      assert.equal(outcome()?.status, "transport_refused");
    });

    it("ends on both sides when the deadline passes", async () => {
      let aborted = false;
      const server = await serveEcho({
        routes: (router) =>
          router.service(EchoService, {
            echo: (_request, context) =>
              new Promise((_resolve, reject) => {
                context.signal.addEventListener("abort", () => {
                  aborted = true;
                  reject(context.signal.reason);
                });
              }),
          }),
      });
      const { client, outcome } = openClient([server.origin]);
      const error = await errorOf(client.echo({}, { timeoutMs: 100 }));
      assert.equal(error.code, Code.DeadlineExceeded);
      assert.equal(outcome()?.status, "deadline_exceeded");
      await until(() => aborted && server.pipeline.call.outcome !== undefined);
      assert.ok((server.pipeline.requests[0]?.timeoutMs ?? Infinity) <= 100);
    });

    it("tells the server when the client goes in the middle of a stream", async () => {
      let ended = false;
      const server = await serveEcho({
        routes: (router) =>
          router.service(EchoService, {
            async *expand(_request, context) {
              try {
                for (let index = 0; !context.signal.aborted; index++) {
                  yield { index };
                  await new Promise((resolve) => setTimeout(resolve, 1));
                }
              } finally {
                ended = true;
              }
            },
          }),
      });
      const { client, outcome } = openClient([server.origin]);
      const abort = new AbortController();
      const error = await errorOf(
        (async () => {
          for await (const { index } of client.expand({}, { signal: abort.signal })) {
            if (index === 3) abort.abort();
          }
        })(),
      );
      assert.equal(error.code, Code.Canceled);
      assert.equal(outcome()?.kind, "cancelled");
      await until(() => ended && server.pipeline.call.outcome?.kind === "cancelled");
    });

    it("says so when the server dies in the middle of a stream, and finds the next one", async () => {
      const server = await serveEcho({
        routes: (router) =>
          router.service(EchoService, {
            async *expand(_request, context) {
              yield { index: 0 };
              await new Promise((_resolve, reject) => {
                context.signal.addEventListener("abort", () => reject(context.signal.reason));
              });
            },
          }),
      });
      const { client, outcome } = openClient([server.origin]);
      const seen: number[] = [];
      const error = await errorOf(
        (async () => {
          for await (const { index } of client.expand({})) {
            seen.push(index);
            await server.destroy();
          }
        })(),
      );
      assert.deepEqual(seen, [0]);
      assert.equal(error.code, Code.Unavailable, String(error));
      assert.deepEqual(
        [outcome()?.status, outcome()?.kind, outcome()?.neverStarted],
        ["transport_reset", "retryable", false],
      );

      const again = await serveEcho({}, server.port);
      assert.equal((await openClient([again.origin]).client.echo({ text: "back" })).text, "back");
    });

    it("refuses a message above the limit, and serves the next", async () => {
      const server = await serveEcho({ maxMessageBytes: 1_000 });
      const { client, attempts } = openClient([server.origin]);
      const error = await errorOf(client.echo({ payload: new Uint8Array(2_000) }));
      assert.equal(error.code, Code.ResourceExhausted);
      assert.equal(attempts.length, 1);
      assert.equal((await client.echo({ text: "fits" })).text, "fits");
    });
  });
}

describe("RPC over sockets by grpc", () => {
  it("streams both ways at once", async () => {
    const server = await serveEcho();
    const { client } = openMeshClient({
      transportFor: leavesOf("grpc"),
      protocol: "grpc",
      origins: [server.origin],
      clock: systemClock,
    });
    // Each message is sent when the response to the one before it is here.
    let answered: () => void = () => {};
    const requests = async function* (): AsyncGenerator<{ text: string }> {
      for (const text of ["a", "b", "c"]) {
        const answer = new Promise<void>((resolve) => {
          answered = resolve;
        });
        yield { text };
        await answer;
      }
    };
    const seen: string[] = [];
    for await (const { text } of client.chat(requests())) {
      seen.push(text);
      answered();
    }
    assert.deepEqual(seen, ["a", "b", "c"]);
    await until(() => server.pipeline.call.outcome?.status === "ok");
  });
});
