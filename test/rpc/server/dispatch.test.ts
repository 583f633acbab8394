import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import type { Call } from "../../../src/core/call.ts";
import { MeshError, TransportError } from "../../../src/core/errors.ts";
import { RateLimitError } from "../../../src/policy/rate-limit.ts";
import { meshCall } from "../../../src/rpc/context.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { echoRoutes, serveInProcess } from "../echo.ts";
import { connectStream, connectUnary, type Dialect, grpc, grpcWeb, rawCall, readRaw } from "../raw.ts";

/** Every dialect with a method that it can call. */
const dialects: readonly (readonly [Dialect, string])[] = [
  [grpc, "Echo"],
  [grpcWeb, "Echo"],
  [connectUnary, "Echo"],
  [connectStream, "Expand"],
];

function serveEcho(echo: (request: { text: string }, context: HandlerContext) => Promise<object> | object) {
  return serveInProcess({
    routes: (router) =>
      router.service(EchoService, {
        echo,
        async *expand(request, context) {
          yield await echo(request, context);
        },
      }),
  });
}

for (const [dialect, method] of dialects) {
  describe(`createDispatcher() by ${dialect.name}`, () => {
    it("refuses in the dialect, before anything of the body is read", async () => {
      const { dispatcher, pipeline } = serveInProcess();
      pipeline.check = () => {
        throw new RateLimitError({
          allowed: false,
          remaining: 0,
          resetMs: 30_000,
          retryAfterMs: 1_500,
          limit: 100,
          windowMs: 60_000,
        });
      };
      let read = false;
      const onRead = (): void => {
        read = true;
      };
      const response = await rawCall(dispatcher, { dialect, method, onRead });
      const end = await readRaw(dialect, response);
      assert.equal(read, false);
      assert.equal(end.code, "resource_exhausted");
      assert.match(end.message, /the limit of 100 in 60 s/);
      assert.equal(end.metadata.get("grpc-retry-pushback-ms"), "1500");
      assert.equal(end.metadata.get("retry-after"), "2");
      assert.equal(end.metadata.get("ratelimit"), '"default";r=0;t=30');
      assert.equal(response.status, dialect === connectUnary ? 429 : 200);
      assert.equal(pipeline.call.outcome?.status, "rate_limited");
    });

    it("waits for a layer that takes its time", async () => {
      const { dispatcher, pipeline } = serveInProcess();
      pipeline.check = async () => {
        throw new MeshError("ERR_UNAUTHENTICATED", "Cannot accept the call: the token has expired");
      };
      const end = await readRaw(dialect, await rawCall(dispatcher, { dialect, method }));
      assert.deepEqual(
        [end.code, end.message],
        ["unauthenticated", "Cannot accept the call: the token has expired"],
      );
    });

    it("ends the call when the response has ended, with its status", async () => {
      const { dispatcher, pipeline } = serveInProcess();
      const good = await rawCall(dispatcher, { dialect, method, message: { text: "a", count: 2 } });
      assert.deepEqual(pipeline.outcomes, [undefined]);
      const end = await readRaw(dialect, good);
      assert.equal(end.code, "ok");
      assert.ok(end.responses.length > 0);
      assert.equal(pipeline.calls[0]?.outcome?.status, "ok");

      const message = { text: "none such", fail: Code.NotFound };
      const bad = await readRaw(dialect, await rawCall(dispatcher, { dialect, method, message }));
      assert.deepEqual([bad.code, bad.message], ["not_found", "none such"]);
      assert.deepEqual(
        [pipeline.calls[1]?.outcome?.status, pipeline.calls[1]?.outcome?.kind],
        ["not_found", "success"],
      );
    });

    it("says nothing of what an unexpected error was, and reports it", async () => {
      const reported: unknown[] = [];
      const secret = new Error("password of the database is hunter2");
      const { dispatcher, pipeline } = serveInProcess({
        routes: (router) =>
          router.service(EchoService, {
            echo: () => Promise.reject(secret),
            // biome-ignore lint/correctness/useYield: it fails before its first message
            async *expand() {
              throw secret;
            },
          }),
        onError: (call, error) => reported.push(call.operation, error),
      });
      const end = await readRaw(dialect, await rawCall(dispatcher, { dialect, method }));
      assert.deepEqual([end.code, end.message], ["internal", "internal error"]);
      assert.deepEqual(reported, [`datapunk.mesh.test.v1.EchoService/${method}`, secret]);
      assert.equal(pipeline.call.outcome?.kind, "failure");
    });

    it("maps the mesh's errors, and keeps the text of those that tell of this side's network", async () => {
      const { dispatcher } = serveEcho(() => {
        throw new TransportError("refused", "connect ECONNREFUSED 10.0.0.7:7101");
      });
      const end = await readRaw(dialect, await rawCall(dispatcher, { dialect, method }));
      assert.deepEqual(
        [end.code, end.message],
        ["unavailable", "a service behind this one is not available"],
      );
    });

    it("does so too when a client of the mesh has wrapped them", async () => {
      const cause = new MeshError("ERR_BREAKER_OPEN", "Cannot call lake: the breaker of 10.0.0.7 is open");
      const { dispatcher } = serveEcho(() => {
        throw new ConnectError(cause.message, Code.Unavailable, undefined, undefined, cause);
      });
      const end = await readRaw(dialect, await rawCall(dispatcher, { dialect, method }));
      assert.deepEqual(
        [end.code, end.message],
        ["unavailable", "a service behind this one is not available"],
      );
    });

    it("hands the call to the handler and makes it the current one", async () => {
      let current: Call | undefined;
      const seen: unknown[] = [];
      const asyncContext = {
        run<T>(call: Call, task: () => T): T {
          const before = current;
          current = call;
          try {
            return task();
          } finally {
            current = before;
          }
        },
      };
      const { dispatcher, pipeline } = serveInProcess({
        asyncContext,
        interceptors: [
          (next) => (request) => {
            seen.push(request.contextValues.get(meshCall));
            return next(request);
          },
        ],
        routes: (router) =>
          router.service(EchoService, {
            echo: (_request, context) => {
              seen.push(context.values.get(meshCall));
              return {};
            },
            async *expand(_request, context) {
              seen.push(context.values.get(meshCall));
              yield {};
              seen.push(current);
            },
          }),
      });
      await readRaw(dialect, await rawCall(dispatcher, { dialect, method }));
      assert.ok(seen.length >= 2);
      for (const call of seen) assert.equal(call, pipeline.call);
    });

    it("refuses a malformed timeout with invalid_argument", async () => {
      const { dispatcher, pipeline } = serveInProcess();
      const [name] = dialect.timeout(1);
      const request = { dialect, method, headers: { [name]: "soon" } };
      const end = await readRaw(dialect, await rawCall(dispatcher, request));
      assert.equal(end.code, "invalid_argument");
      assert.equal(pipeline.requests[0]?.timeoutMs, undefined);
      assert.equal(pipeline.call.outcome?.status, "invalid_argument");
    });

    it("clamps a timeout that is too long instead of refusing it", async () => {
      const told: (number | undefined)[] = [];
      const { dispatcher, pipeline } = serveInProcess({
        maxTimeoutMs: 2_000,
        routes: (router) =>
          router.service(
            EchoService,
            {
              echo: (_request, context) => {
                told.push(context.timeoutMs());
                return {};
              },
              async *expand(_request, context) {
                told.push(context.timeoutMs());
                yield {};
              },
            },
            // Connect itself would refuse what is above.
            { maxTimeoutMs: 1_000 },
          ),
      });
      const request = { dialect, method, timeoutMs: 60_000 };
      assert.equal((await readRaw(dialect, await rawCall(dispatcher, request))).code, "ok");
      assert.equal(pipeline.requests[0]?.timeoutMs, 2_000);
      assert.ok(told[0] !== undefined && told[0] > 0 && told[0] <= 2_000, String(told[0]));
    });

    it("refuses messages above the limit", async () => {
      const { dispatcher, pipeline } = serveInProcess({ maxMessageBytes: 64 });
      const message = { payload: new Uint8Array(100) };
      const end = await readRaw(dialect, await rawCall(dispatcher, { dialect, method, message }));
      assert.equal(end.code, "resource_exhausted");
      assert.equal(pipeline.call.outcome?.status, "resource_exhausted");
    });

    it("responds to a path that nobody serves with unimplemented", async () => {
      const { dispatcher, pipeline } = serveInProcess();
      const end = await readRaw(dialect, await rawCall(dispatcher, { dialect, method: "Missing" }));
      assert.equal(end.code, "unimplemented");
      assert.equal(pipeline.call.outcome?.status, "unimplemented");
    });
  });
}

describe("createDispatcher()", () => {
  it("describes its methods, with the interceptors in effect", () => {
    const own: Interceptor = (next) => next;
    const shared: Interceptor = (next) => next;
    const plain = serveInProcess({ interceptors: [shared], maxMessageBytes: 1000 });
    const echo = plain.dispatcher.methods.get("/datapunk.mesh.test.v1.EchoService/Echo");
    assert.equal(echo?.method, EchoService.method.echo);
    assert.equal(echo?.spec.kind, "unary");
    assert.equal(echo?.operation, "datapunk.mesh.test.v1.EchoService/Echo");
    assert.deepEqual(echo?.interceptors, [shared]);
    assert.deepEqual([echo?.options.readMaxBytes, echo?.options.grpc], [1000, true]);
    const replaced = serveInProcess({
      interceptors: [shared],
      routes: (router) => router.service(EchoService, {}, { interceptors: [own], readMaxBytes: 10 }),
    });
    const method = replaced.dispatcher.methods.get("/datapunk.mesh.test.v1.EchoService/Expand");
    assert.deepEqual(method?.interceptors, [own]);
    assert.equal(method?.options.readMaxBytes, 10);
    assert.equal(replaced.dispatcher.methods.size, EchoService.methods.length);
  });

  it("maps errors around a service's own interceptors", async () => {
    const { dispatcher } = serveInProcess({
      routes: (router) =>
        router.service(
          EchoService,
          {},
          {
            interceptors: [
              () => () => Promise.reject(new MeshError("ERR_PERMISSION_DENIED", "Cannot do that")),
            ],
          },
        ),
    });
    const response = await rawCall(dispatcher, { dialect: connectUnary, method: "Echo" });
    assert.equal(response.status, 403);
    assert.equal((await readRaw(connectUnary, response)).message, "Cannot do that");
  });

  it("ends the call also when its context cannot be entered", async () => {
    const { dispatcher, pipeline } = serveInProcess({
      asyncContext: {
        run() {
          throw new Error("no context here");
        },
      },
    });
    const end = await readRaw(
      connectUnary,
      await rawCall(dispatcher, { dialect: connectUnary, method: "Echo" }),
    );
    assert.equal(end.code, "internal");
    assert.equal(pipeline.call.outcome?.status, "internal");
  });

  it("serves what Connect's own router serves", () => {
    const { dispatcher } = serveInProcess({ routes: echoRoutes });
    assert.equal(typeof dispatcher.find("/datapunk.mesh.test.v1.EchoService/Chat"), "function");
    assert.equal(dispatcher.find("/datapunk.mesh.test.v1.EchoService/Nothing"), undefined);
  });
});
