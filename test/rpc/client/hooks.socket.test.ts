import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createMesh, staticResolver } from "../../../mod.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { Fault } from "../../support/hostile-values.ts";
import { type StrayFailures, watchStrayFailures } from "../../support/stray-failures.ts";
import { serveMesh, until } from "../socket-fixture.ts";
import { all, Cleanup, each, failure } from "./grpc-checks.ts";

type Echo = Client<typeof EchoService>;
type Requests = AsyncIterable<{ text: string }>;

const done = { done: true, value: undefined } as const;

/** Streams of requests by hand: generators make promises of whatever fails in them. */
const streams: Readonly<Record<string, (fault: Fault) => Requests>> = {
  "that is not begun": (fault) => ({
    [Symbol.asyncIterator]: () => (fault.here() as never) ?? each({ text: "a" }),
  }),
  "before its first message": (fault) => ({
    [Symbol.asyncIterator]: () => ({ next: () => (fault.here() as never) ?? Promise.resolve(done) }),
  }),
  "after its first message": (fault) => ({
    [Symbol.asyncIterator]() {
      const first: Promise<IteratorResult<{ text: string }>>[] = [
        Promise.resolve({ done: false, value: { text: "a" } }),
      ];
      return { next: () => first.shift() ?? (fault.here() as never) ?? Promise.resolve(done) };
    },
  }),
  "in a message that is none": (fault) => ({
    async *[Symbol.asyncIterator]() {
      let failed = false;
      try {
        await fault.here();
      } catch {
        failed = true;
      }
      yield failed ? ({ count: -1 } as never) : { text: "a" };
    },
  }),
};

for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
  describe(`What a client is given and that fails, by ${protocol}`, unless("listen", "grpcClient"), () => {
    const cleanup = new Cleanup();
    let stray: StrayFailures;
    beforeEach(() => {
      stray = watchStrayFailures();
    });
    afterEach(async () => {
      await cleanup.run();
      stray.stop();
    });

    async function connect(
      interceptors: Interceptor[] = [],
    ): Promise<{ client: Echo; quiet(): Promise<void> }> {
      const server = await serveMesh(cleanup);
      const mesh = createMesh({
        service: "caller",
        resolver: staticResolver({ echo: [server.url] }),
        policies: { echo: { breaker: false } },
      });
      cleanup.add(() => mesh.close());
      const transport = mesh.transport("echo", { protocol, httpVersion: "2", interceptors });
      const client = createClient(EchoService, transport);
      return {
        client,
        async quiet() {
          assert.equal((await within(client.echo({ text: "next" }), "the next call")).text, "next");
          await until(() => server.inFlight === 0, "the end of every call");
          // A rejection without a handler is told in the turn after.
          await new Promise((resolve) => setImmediate(resolve));
          assert.deepEqual(stray.seen, []);
        },
      };
    }

    for (const [what, requests] of Object.entries(streams)) {
      it(`fails its own call and nothing else: a stream of requests ${what}`, async () => {
        const { client, quiet } = await connect();
        const fault = new Fault();
        await client.collect(requests(fault));
        await all(client.chat(requests(fault)));
        await fault.forEach(async (how) => {
          await within(failure(client.collect(requests(fault))), how);
          await within(failure(all(client.chat(requests(fault)))), how);
        });
        await quiet();
      });
    }

    for (const [what, intercept] of Object.entries<(fault: Fault) => Interceptor>({
      "an interceptor before the call": (fault) => (next) => (request) =>
        (fault.here() as never) ?? next(request),
      "an interceptor after the call": (fault) => (next) => async (request) => {
        const response = await next(request);
        await fault.here();
        return response;
      },
      "an interceptor that is not begun": (fault) => (next) => (fault.here() as never) ?? next,
    })) {
      it(`fails its own call and nothing else: ${what}`, async () => {
        const fault = new Fault();
        const { client, quiet } = await connect([intercept(fault)]);
        await fault.forEach(async (how) => {
          await within(failure(client.echo({})), how);
        });
        await quiet();
      });
    }
  });
}
