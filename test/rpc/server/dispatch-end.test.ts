import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { HandlerContext } from "@connectrpc/connect";
import { createDispatcher } from "../../../src/rpc/server/create-dispatcher.ts";
import { createRequestPipeline } from "../../../src/serve/request-pipeline.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { settle, VirtualClock } from "../../support/virtual-clock.ts";
import { serveInProcess } from "../echo.ts";
import { connectStream, connectUnary, type Dialect, grpc, grpcWeb, rawCall, readRaw } from "../raw.ts";

const dialects: readonly (readonly [Dialect, string])[] = [
  [grpc, "Echo"],
  [grpcWeb, "Echo"],
  [connectUnary, "Echo"],
  [connectStream, "Expand"],
];
const streams: readonly Dialect[] = [grpc, grpcWeb, connectStream];

/** A service whose handlers wait until the test lets them go, and note what becomes of them. */
function serveStuck(clock: VirtualClock) {
  const noted: string[] = [];
  const left: HandlerContext["timeoutMs"][] = [];
  const waiting: (() => void)[] = [];
  const stuck = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));
  const release = async (): Promise<void> => {
    for (const go of waiting) go();
    await settle();
  };
  const server = serveInProcess({
    clock,
    routes: (router) =>
      router.service(EchoService, {
        async echo(_request, context) {
          left.push(context.timeoutMs);
          context.signal.addEventListener("abort", () => noted.push("aborted"));
          await stuck();
          return {};
        },
        async *expand(request, context) {
          left.push(context.timeoutMs);
          context.signal.addEventListener("abort", () => noted.push("aborted"));
          try {
            for (let index = 0; index < request.count; index++) yield { index };
            await stuck();
          } finally {
            noted.push("finally");
          }
        },
      }),
  });
  return { ...server, noted, left, release };
}

/** How many timers of the platform a task leaves behind. */
async function timersOf(task: () => Promise<void>): Promise<number> {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const started = new Set<unknown>();
  globalThis.setTimeout = ((...given: Parameters<typeof set>) => {
    const timer = set(...given);
    started.add(timer);
    return timer;
  }) as typeof set;
  globalThis.clearTimeout = (timer) => {
    started.delete(timer);
    clear(timer as never);
  };
  try {
    await task();
    return started.size;
  } finally {
    globalThis.setTimeout = set;
    globalThis.clearTimeout = clear;
    for (const timer of started) clear(timer as never);
  }
}

for (const [dialect, method] of dialects) {
  describe(`a call by ${dialect.name} whose handler does not respond`, () => {
    it("ends at its deadline, whether or not the handler listens", async () => {
      const clock = new VirtualClock();
      const { dispatcher, pipeline, noted, release } = serveStuck(clock);
      const answer = rawCall(dispatcher, { dialect, method, timeoutMs: 5_000 });
      await clock.advance(4_990);
      assert.deepEqual(pipeline.outcomes, [undefined]);
      await clock.advance(20);
      const response = await answer;
      assert.equal(response.status, dialect === connectUnary ? 504 : 200);
      const end = await readRaw(dialect, response);
      assert.equal(end.code, "deadline_exceeded");
      assert.equal(pipeline.call.outcome?.status, "deadline_exceeded");
      assert.ok(noted.includes("aborted"), noted.join());
      await release();
      await clock.advance(50);
      assert.equal(clock.pending, 0);
    });

    it("leaves no timer behind when it is cancelled", async () => {
      const clock = new VirtualClock();
      const { dispatcher } = serveStuck(clock);
      const client = new AbortController();
      const timers = await timersOf(async () => {
        const answer = rawCall(dispatcher, { dialect, method, signal: client.signal, timeoutMs: 5_000 });
        await settle();
        client.abort();
        await answer;
      });
      assert.equal(timers, 0);
      await clock.advance(50);
      assert.equal(clock.pending, 0);
    });

    it("tells the handler the time that is left by the clock of the dispatcher", async () => {
      const clock = new VirtualClock();
      const { dispatcher, left } = serveStuck(clock);
      // The longest that Connect's own header can grant, and more than any platform timer takes.
      const granted = dialect.name.startsWith("Connect") ? 9_999_999_999 : 99_999_999;
      const client = new AbortController();
      const answer = rawCall(dispatcher, { dialect, method, signal: client.signal, timeoutMs: granted });
      await settle();
      await clock.advance(1_000);
      assert.deepEqual(
        left.map((timeoutMs) => timeoutMs()),
        [granted - 1_000],
      );
      client.abort();
      await answer;
    });

    it("ends as cancelled when the client goes, and its handler hears of it", async () => {
      const clock = new VirtualClock();
      const { dispatcher, pipeline, noted, release } = serveStuck(clock);
      const client = new AbortController();
      const answer = rawCall(dispatcher, { dialect, method, signal: client.signal, timeoutMs: 5_000 });
      await settle();
      client.abort();
      await answer;
      assert.equal(pipeline.call.outcome?.kind, "cancelled");
      assert.deepEqual(noted, ["aborted"]);
      await release();
      assert.equal(clock.now(), new VirtualClock().now());
    });

    it("never starts when its time is up while a layer waits", async () => {
      const clock = new VirtualClock();
      let started = false;
      const { dispatcher, pipeline } = serveInProcess({
        clock,
        routes: (router) =>
          router.service(EchoService, {
            echo: () => {
              started = true;
              return {};
            },
            async *expand() {
              started = true;
              yield {};
            },
          }),
      });
      pipeline.check = () => clock.sleep(10_000);
      const answer = rawCall(dispatcher, { dialect, method, timeoutMs: 1_000 });
      await clock.advance(2_000);
      assert.equal((await readRaw(dialect, await answer)).code, "deadline_exceeded");
      await clock.advance(10_000);
      assert.equal(started, false);
      assert.equal(pipeline.call.outcome?.status, "deadline_exceeded");
    });
  });
}

for (const dialect of streams) {
  describe(`a stream by ${dialect.name} that stands still after some messages`, () => {
    it("is cut off at its deadline with a proper end", async () => {
      const clock = new VirtualClock();
      const { dispatcher, pipeline, release } = serveStuck(clock);
      const message = { count: 2 };
      const response = await rawCall(dispatcher, { dialect, method: "Expand", message, timeoutMs: 3_000 });
      const reading = readRaw(dialect, response);
      await clock.advance(3_010);
      const end = await reading;
      assert.equal(end.responses.length, 2);
      assert.equal(end.code, "deadline_exceeded");
      assert.equal(pipeline.call.outcome?.status, "deadline_exceeded");
      await release();
    });

    it("says so too when nobody reads at that moment", async () => {
      const clock = new VirtualClock();
      const { dispatcher, pipeline, release } = serveStuck(clock);
      const message = { count: 2 };
      const response = await rawCall(dispatcher, { dialect, method: "Expand", message, timeoutMs: 3_000 });
      await clock.advance(3_010);
      assert.equal(pipeline.call.outcome?.status, "deadline_exceeded");
      assert.equal((await readRaw(dialect, response)).code, "deadline_exceeded");
      await release();
    });

    it("ends its handler when the reader stops", async () => {
      const clock = new VirtualClock();
      const { dispatcher, pipeline, noted, release } = serveStuck(clock);
      const message = { count: 5 };
      const response = await rawCall(dispatcher, { dialect, method: "Expand", message });
      const body = response.body?.[Symbol.asyncIterator]();
      await body?.next();
      await body?.return?.();
      await settle();
      assert.equal(pipeline.call.outcome?.kind, "cancelled");
      assert.deepEqual(noted, ["aborted", "finally"]);
      await release();
    });
  });
}

describe("the time limit that a server has by default", () => {
  const limited = (timeoutMs?: number) => {
    const clock = new VirtualClock();
    const pipeline = createRequestPipeline({
      service: "echo",
      clock,
      server: { rateLimit: false, ...(timeoutMs !== undefined && { timeoutMs }) },
    });
    const stuck = new Promise<never>(() => {});
    const dispatcher = createDispatcher({
      pipeline,
      clock,
      routes: (router) =>
        router.service(EchoService, {
          echo: () => stuck,
          async *expand() {
            yield {};
            await stuck;
          },
        }),
    });
    return { clock, pipeline, dispatcher };
  };

  it("ends a unary call", async () => {
    const { clock, pipeline, dispatcher } = limited();
    const response = await clock.run(rawCall(dispatcher, { dialect: grpc, method: "Echo" }));
    assert.equal((await readRaw(grpc, response)).code, "deadline_exceeded");
    assert.equal(pipeline.inFlight, 0);
  });

  for (const dialect of streams) {
    it(`does not end a stream by ${dialect.name}; one that was set does, and so does the client's`, async () => {
      const forever = limited();
      const open = await rawCall(forever.dispatcher, { dialect, method: "Expand" });
      await forever.clock.advance(240_000);
      assert.equal(forever.pipeline.inFlight, 1);
      await open.body?.[Symbol.asyncIterator]().return?.();
      for (const [server, client] of [
        [2_000, undefined],
        [undefined, 2_000],
      ] as const) {
        const { clock, pipeline, dispatcher } = limited(server);
        const timeout = client === undefined ? {} : { timeoutMs: client };
        const response = await rawCall(dispatcher, { dialect, method: "Expand", ...timeout });
        const end = readRaw(dialect, response);
        await clock.advance(2_010);
        assert.equal((await end).code, "deadline_exceeded");
        assert.equal(pipeline.inFlight, 0);
      }
    });
  }
});
