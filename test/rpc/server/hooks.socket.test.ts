import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Client, Code, createClient } from "@connectrpc/connect";
import { createMesh } from "../../../mod.ts";
import type { Server } from "../../../src/mesh/options.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { type Echo, type Hooks, iterable, plain, rpcHooks } from "../../hono/hooks-fixture.ts";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { Fault, secret } from "../../support/hostile-values.ts";
import { type StrayFailures, watchStrayFailures } from "../../support/stray-failures.ts";
import { all, Cleanup, failure } from "../client/grpc-checks.ts";
import { closeAll, leavesOf, until } from "../socket-fixture.ts";

for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
  describe(`A hook that fails, by ${protocol}`, unless("listen", "grpcClient"), () => {
    const cleanup = new Cleanup();
    let stray: StrayFailures;
    beforeEach(() => {
      stray = watchStrayFailures();
    });
    afterEach(async () => {
      await closeAll();
      await cleanup.run();
      stray.stop();
    });

    async function serve(hooks: Hooks, fault: Fault): Promise<{ server: Server; told: unknown[] }> {
      const told: unknown[] = [];
      const onError = hooks.onError?.(fault) ?? ((error: unknown) => told.push(error));
      const auth = hooks.auth?.(fault);
      const mesh = createMesh({
        service: "echo",
        server: { rateLimit: false, ...(auth && { auth }) },
        onError,
      });
      const server = await mesh.serve({
        hostname: "127.0.0.1",
        port: 0,
        routes: (router) => router.service(EchoService, { ...plain, ...hooks.service?.(fault) }),
        ...(hooks.interceptors && { interceptors: hooks.interceptors(fault) }),
      });
      cleanup.add(() => server.close({ force: true }));
      return { server, told };
    }

    function clientOf(server: Server): Client<typeof EchoService> {
      return createClient(EchoService, leavesOf(protocol)(server.url).transport);
    }

    const headers = { authorization: "Bearer token" };

    async function call(client: Client<typeof EchoService>, method: "echo" | "expand"): Promise<number> {
      if (method === "echo") return Number((await client.echo({ text: "1" }, { headers })).text);
      return (await all(client.expand({ text: "1" }, { headers }))).length;
    }

    async function quiet(server: Server): Promise<void> {
      await until(() => server.inFlight === 0, "the end of every call");
      // A rejection without a handler is told in the turn after.
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(stray.seen, []);
    }

    for (const [what, hooks] of Object.entries(rpcHooks)) {
      it(`fails its own call and nothing else: ${what}`, async () => {
        const fault = new Fault();
        const { server } = await serve(hooks, fault);
        const client = clientOf(server);
        await call(client, hooks.method);
        await fault.forEach(async (how) => {
          const error = await within(failure(call(client, hooks.method)), `the end of what ${how}`);
          assert.ok(error.code in Code, `${how}: ${error.code}`);
          assert.ok(!error.message.includes(secret), `${how}: ${error.message}`);
          assert.notEqual(error.code, Code.Unavailable, how);
        });
        await within(call(client, hooks.method), "the next call");
        await quiet(server);
      });
    }

    it("is told of what the client is not told", async () => {
      const fault = new Fault();
      const { server, told } = await serve(rpcHooks["a handler"]!, fault);
      const client = clientOf(server);
      let hidden = 0;
      await fault.forEach(async (how) => {
        const { code } = await failure(call(client, "echo"));
        if (code === Code.Internal) hidden++;
        assert.equal(told.length, hidden, how);
      });
      await quiet(server);
    });

    it("may be the one that is told of errors", async () => {
      const fault = new Fault();
      let sentRequest = 0;
      const { server } = await serve(
        {
          method: "echo",
          service: () => ({
            echo() {
              throw new Error(secret);
            },
          }),
          onError: (each) => () => {
            sentRequest++;
            return each.here();
          },
        },
        fault,
      );
      const client = clientOf(server);
      await fault.forEach(async (how) => {
        assert.equal((await failure(call(client, "echo"))).code, Code.Internal, how);
      });
      assert.ok(sentRequest > 0);
      await within(call(client, "expand"), "the next call");
      await quiet(server);
    });

    for (const [what, broken] of Object.entries<Echo>({
      "a message that cannot be written": { echo: () => ({ index: -1 }) as never },
      "a first message of a stream that cannot be written": {
        async *expand() {
          yield { index: -1 } as never;
        },
      },
      "a later message of a stream that cannot be written": {
        async *expand() {
          yield { text: "first" };
          yield { index: -1 } as never;
        },
      },
      "no stream": { expand: () => undefined as never },
      "an iterator that returns nothing": { expand: () => iterable(() => undefined as never) },
      "an iterator without next": {
        expand: () => ({ [Symbol.asyncIterator]: () => ({}) }) as never,
      },
      "headers that cannot be sent": {
        echo({ text }, context) {
          context.responseHeader.set("x-bad", "a\x01b");
          return { text };
        },
      },
      "headers of a stream that cannot be sent": {
        async *expand({ text }, context) {
          context.responseHeader.set("x-bad", "a\x01b");
          yield { text };
        },
      },
    })) {
      it(`fails its own call, and says so, with ${what}`, async () => {
        const { server, told } = await serve({ method: "echo", service: () => broken }, new Fault());
        const client = clientOf(server);
        const method = broken.echo === undefined ? "expand" : "echo";
        const error = await within(failure(call(client, method)), "the failure");
        assert.ok([Code.Internal, Code.Unknown].includes(error.code), error.message);
        await within(call(client, method === "echo" ? "expand" : "echo"), "the next call");
        await until(() => told.length > 0, "the report");
        await quiet(server);
      });
    }

    it("may be the clean-up of a stream that its client leaves", async () => {
      const fault = new Fault();
      let left = 0;
      const { server } = await serve(
        {
          method: "expand",
          service: () => ({
            expand: ({ text }, { signal }) => ({
              [Symbol.asyncIterator]: () => {
                const first = { done: false, value: { text } } as const;
                const second = new Promise<never>((_, reject) => {
                  signal.addEventListener("abort", () => reject(new Error("late")));
                });
                const results: Promise<typeof first>[] = [Promise.resolve(first), second];
                return {
                  next: () => results.shift() ?? Promise.reject(new Error("even later")),
                  return() {
                    left++;
                    return fault.here() as never;
                  },
                  throw() {
                    left++;
                    return fault.here() as never;
                  },
                };
              },
            }),
          }),
        },
        fault,
      );
      const client = clientOf(server);
      let calls = 0;
      await fault.forEach(async (how) => {
        const leaving = new AbortController();
        const messages = client.expand({ text: "1" }, { headers, signal: leaving.signal });
        const iterator = messages[Symbol.asyncIterator]();
        await within(iterator.next(), how);
        leaving.abort();
        await iterator.next().catch(() => {});
        calls++;
      });
      await until(() => server.inFlight === 0, "the end of every call");
      assert.ok(left <= 2 * calls);
      await within(call(client, "echo"), "the next call");
      await quiet(server);
    });

    it("may fail when its call is over", async () => {
      const fault = new Fault();
      const running: Promise<unknown>[] = [];
      const { server } = await serve(
        {
          method: "echo",
          service: () => ({
            async echo(request, { signal }) {
              const aborted = new Promise<void>((resolve) => {
                signal.addEventListener("abort", () => resolve());
              });
              running.push(aborted);
              await aborted;
              await fault.here();
              return { text: request.text };
            },
          }),
        },
        fault,
      );
      const client = clientOf(server);
      await fault.forEach(async (how) => {
        const leaving = new AbortController();
        const before = running.length;
        const failed = failure(client.echo({}, { headers, signal: leaving.signal }));
        await until(() => running.length > before, how);
        leaving.abort();
        await failed;
        await running.at(-1);
      });
      await within(call(client, "expand"), "the next call");
      await quiet(server);
    });
  });
}
