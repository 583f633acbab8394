import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import {
  Code,
  ConnectError,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { EchoRequestSchema } from "../gen/test/v1/echo_pb.ts";
import { createAuthority } from "../support/certificates.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { Cleanup, deferred, open, serve } from "./grpc-wire-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function* each<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const message of messages) list.push(message);
  return list;
}

function rejection(promise: Promise<unknown>): Promise<ConnectError> {
  return promise.then(
    () => assert.fail("the call should have failed"),
    (error: unknown) => {
      assert.ok(error instanceof ConnectError, String(error));
      return error;
    },
  );
}

describe("the gRPC wire", () => {
  it("carries all four kinds of calls", async () => {
    const { origin, outcomes } = await serve(cleanup);
    const { client } = open(cleanup, origin);
    assert.equal((await client.echo({ text: "one" })).text, "one");
    const indexes = (await all(client.expand({ text: "x", count: 3 }))).map(({ index }) => index);
    assert.deepEqual(indexes, [0, 1, 2]);
    const collected = await client.collect(each({ text: "a" }, { text: "b" }));
    assert.deepEqual([collected.text, collected.index], ["a,b", 2]);
    const chat = await all(client.chat(each({ text: "p" }, { text: "q" })));
    assert.deepEqual(
      chat.map(({ text }) => text),
      ["p", "q"],
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["ok", "ok", "ok", "ok"],
    );
  });

  it("answers each message of a two-way stream before the next one is sent", async () => {
    const { origin } = await serve(cleanup);
    const { client } = open(cleanup, origin);
    const turns = [deferred(), deferred()];
    async function* requests() {
      yield { text: "first" };
      await turns[0]!.promise;
      yield { text: "second" };
      await turns[1]!.promise;
    }
    const seen: string[] = [];
    for await (const { text, index } of client.chat(requests())) {
      seen.push(text);
      turns[index]!.resolve();
    }
    assert.deepEqual(seen, ["first", "second"]);
  });

  it("carries metadata both ways: repeated keys, binary values, headers and trailers", async () => {
    let seen: Headers | undefined;
    const { origin } = await serve(cleanup, {
      service: {
        echo(request, context) {
          seen = context.requestHeader;
          context.responseHeader.append("x-many", "1");
          context.responseHeader.append("x-many", "2");
          context.responseTrailer.set("x-end-bin", "AAEC");
          return { text: request.text };
        },
      },
    });
    const { client } = open(cleanup, origin);
    const headers = new Headers([
      ["x-twice", "a"],
      ["x-twice", "b"],
      ["x-raw-bin", "_w"],
      ["user-agent", "tester"],
    ]);
    let header: Headers | undefined;
    let trailer: Headers | undefined;
    await client.echo(
      { text: "" },
      {
        headers,
        onHeader: (value) => {
          header = value;
        },
        onTrailer: (value) => {
          trailer = value;
        },
      },
    );
    assert.equal(seen?.get("x-twice"), "a, b");
    assert.equal(seen?.get("x-raw-bin"), "_w");
    assert.equal(seen?.get("user-agent"), "tester");
    assert.equal(header?.get("x-many"), "1, 2");
    assert.equal(trailer?.get("x-end-bin"), "AAEC");
    // A copy made natively must see them too, whatever the runtime does behind the constructor.
    assert.equal(new Headers(header).get("x-many"), "1, 2");
  });

  it("carries errors with their message, details and metadata", async () => {
    const { origin, outcomes } = await serve(cleanup, {
      service: {
        echo() {
          const error = new ConnectError("nö 100 % \n", Code.FailedPrecondition, { "x-why": "because" });
          error.details.push({ desc: EchoRequestSchema, value: { text: "detail" } });
          throw error;
        },
      },
    });
    const { client } = open(cleanup, origin);
    const error = await rejection(client.echo({ text: "" }));
    assert.equal(error.code, Code.FailedPrecondition);
    assert.equal(error.rawMessage, "nö 100 % \n");
    assert.equal(error.metadata.get("x-why"), "because");
    assert.equal(error.findDetails(EchoRequestSchema)[0]?.text, "detail");
    assert.equal(outcomes[0]?.status, "failed_precondition");
  });

  it("hides what a handler threw that is no RPC error", async () => {
    const { origin } = await serve(cleanup, {
      service: {
        echo() {
          throw new Error("the password is swordfish");
        },
      },
    });
    const error = await rejection(open(cleanup, origin).client.echo({ text: "" }));
    assert.equal(error.code, Code.Internal);
    assert.doesNotMatch(error.rawMessage, /swordfish/);
  });

  it("hands out the messages before an error at the end of a stream", async () => {
    const { origin } = await serve(cleanup, {
      service: {
        async *expand() {
          yield { text: "one" };
          throw new ConnectError("enough", Code.Aborted);
        },
      },
    });
    const seen: string[] = [];
    const { client } = open(cleanup, origin);
    const reading = (async () => {
      for await (const { text } of client.expand({ text: "" })) seen.push(text);
    })();
    const error = await rejection(reading);
    assert.deepEqual(seen, ["one"]);
    assert.equal(error.code, Code.Aborted);
  });

  for (const compression of ["gzip", "br"] as const) {
    it(`compresses with ${compression} both ways`, async () => {
      let encoding: string | null | undefined;
      const { origin } = await serve(cleanup, {
        service: {
          echo(request, context) {
            encoding = context.requestHeader.get("grpc-encoding");
            return { text: request.text, payload: request.payload };
          },
        },
      });
      const { client } = open(cleanup, origin, { compression, compressMinBytes: 0 });
      let answered: string | null | undefined;
      // Beyond what is compressed at once on this thread, so that both ways of doing it are used.
      for (const bytes of [10, 100_000]) {
        const payload = new Uint8Array(bytes).fill(7);
        const response = await client.echo(
          { text: "small", payload },
          { onHeader: (headers) => (answered = headers.get("grpc-encoding")) },
        );
        assert.deepEqual(response.payload, payload);
      }
      assert.equal(encoding, compression);
      assert.equal(answered, compression);
    });
  }

  it("carries a message of 3 MiB, and refuses one beyond the limit on the side that meets it first", async () => {
    const { origin } = await serve(cleanup);
    const { client } = open(cleanup, origin);
    const payload = new Uint8Array(3 * 1024 * 1024).map((_, index) => index);
    assert.deepEqual((await client.echo({ text: "", payload })).payload, payload);

    const tooLarge = new Uint8Array(5 * 1024 * 1024);
    const own = await rejection(client.echo({ text: "", payload: tooLarge }));
    assert.equal(own.code, Code.ResourceExhausted);
    const generous = open(cleanup, origin, { maxSendBytes: 8 * 1024 * 1024 });
    const theirs = await rejection(generous.client.echo({ text: "", payload: tooLarge }));
    assert.equal(theirs.code, Code.ResourceExhausted);
    const strict = open(cleanup, origin, { maxMessageBytes: 1024, maxSendBytes: 1024 * 1024 });
    const received = await rejection(strict.client.echo({ text: "", payload: new Uint8Array(2048) }));
    assert.equal(received.code, Code.ResourceExhausted);
    assert.equal((await strict.client.echo({ text: "still there" })).text, "still there");
  });

  it("speaks JSON as well", async () => {
    const { origin } = await serve(cleanup);
    const { client } = open(cleanup, origin, { useBinaryFormat: false });
    assert.equal((await client.echo({ text: "json" })).text, "json");
  });

  it("ends a call at its deadline on both sides, whichever looks", async () => {
    const clock = new VirtualClock();
    const started = deferred<HandlerContext>();
    const { origin } = await serve(cleanup, {
      service: {
        echo(_request, context) {
          started.resolve(context);
          return new Promise(() => {});
        },
      },
    });
    const { client } = open(cleanup, origin, { clock });
    const call = rejection(client.echo({ text: "" }, { timeoutMs: 60_000 }));
    const context = await started.promise;
    assert.ok((context.timeoutMs() ?? 0) > 59_000 && (context.timeoutMs() ?? 0) <= 60_000);
    const aborted = new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    await clock.advance(60_000);
    assert.equal((await call).code, Code.DeadlineExceeded);
    // The client's reset reaches the handler.
    await aborted;
  });

  it("answers deadline exceeded when the server's clock runs out first", async () => {
    const clock = new VirtualClock();
    const started = deferred();
    const { origin, outcomes } = await serve(cleanup, {
      clock,
      service: {
        echo() {
          started.resolve();
          return new Promise(() => {});
        },
      },
    });
    const { client } = open(cleanup, origin);
    const call = rejection(client.echo({ text: "" }, { timeoutMs: 60_000 }));
    await started.promise;
    await clock.advance(60_000);
    const error = await call;
    assert.equal(error.code, Code.DeadlineExceeded);
    assert.deepEqual(error.details, []);
    assert.equal(outcomes[0]?.status, "deadline_exceeded");
  });

  it("cancels by an AbortSignal, before and after the call went out", async () => {
    const started = deferred<AbortSignal>();
    const { origin, outcomes } = await serve(cleanup, {
      service: {
        echo(_request, context) {
          started.resolve(context.signal);
          return new Promise(() => {});
        },
      },
    });
    const { client } = open(cleanup, origin);
    const early = await rejection(client.echo({ text: "" }, { signal: AbortSignal.abort() }));
    assert.equal(early.code, Code.Canceled);
    const controller = new AbortController();
    const call = rejection(client.echo({ text: "" }, { signal: controller.signal }));
    const serverSignal = await started.promise;
    const seen = new Promise((resolve) => serverSignal.addEventListener("abort", resolve));
    controller.abort();
    assert.equal((await call).code, Code.Canceled);
    await seen;
    assert.deepEqual(
      outcomes.map(({ verdict }) => verdict),
      ["cancelled"],
    );
  });

  it("stops the handler when the reader of a stream stops reading", async () => {
    const stopped = deferred();
    const { origin } = await serve(cleanup, {
      service: {
        async *expand() {
          try {
            for (let index = 0; ; index++) {
              yield { index };
              await new Promise((resolve) => setImmediate(resolve));
            }
          } finally {
            stopped.resolve();
          }
        },
      },
    });
    const { leaf } = open(cleanup, origin);
    const { EchoService } = await import("../gen/test/v1/echo_pb.ts");
    const response = await leaf.transport.stream(
      EchoService.method.expand,
      undefined,
      undefined,
      undefined,
      each({ text: "" }),
    );
    for await (const { index } of response.message) if (index === 2) break;
    await stopped.promise;
  });

  it("holds a sender back until its reader reads, in both directions", async () => {
    const payload = new Uint8Array(64 * 1024);
    let sentByServer = 0;
    let readByServer = 0;
    const readOn = deferred();
    const { origin } = await serve(cleanup, {
      service: {
        async *expand() {
          for (; sentByServer < 200; sentByServer++) yield { payload };
        },
        async collect(requests) {
          for await (const _ of requests) if (readByServer++ === 0) await readOn.promise;
          return { index: readByServer };
        },
      },
    });
    const { client } = open(cleanup, origin);
    const messages = client.expand({ text: "" })[Symbol.asyncIterator]();
    await messages.next();
    const other = open(cleanup, origin).client;
    // Calls on other connections take long enough for a sender without restraint to send everything.
    for (let i = 0; i < 50; i++) await other.echo({ text: "" });
    assert.ok(sentByServer < 100, `${sentByServer} messages were sent to a reader that took one`);
    let read = 1;
    while ((await messages.next()).done !== true) read++;
    assert.equal(read, 200);

    let sentByClient = 0;
    async function* requests() {
      for (; sentByClient < 200; sentByClient++) yield { payload };
    }
    const collected = client.collect(requests());
    for (let i = 0; i < 50; i++) await other.echo({ text: "" });
    assert.ok(sentByClient < 100, `${sentByClient} messages were sent to a reader that took one`);
    readOn.resolve();
    assert.equal((await collected).index, 200);
  });

  it("runs Connect's interceptors on both sides, outermost first", async () => {
    const order: string[] = [];
    const key = createContextKey("unset");
    const named =
      (name: string): Interceptor =>
      (next) =>
      async (request) => {
        order.push(name);
        assert.ok(request.signal instanceof AbortSignal);
        request.header.append("x-by", name);
        const response = await next(request);
        response.trailer.append("x-seen", name);
        return response;
      };
    const replacing: Interceptor = (next) => async (request) => {
      const response = await next(request);
      if (response.stream) return response;
      return {
        ...response,
        message: { ...response.message, text: `${response.message.$typeName}!` },
      } as never;
    };
    let by: string | null | undefined;
    let value: string | undefined;
    const { origin } = await serve(cleanup, {
      interceptors: [named("server outer"), named("server inner"), replacing],
      service: {
        echo(_request, context) {
          by = context.requestHeader.get("x-by");
          return { text: "plain" };
        },
      },
    });
    const { client } = open(cleanup, origin, {
      interceptors: [
        named("client outer"),
        (next) => (request) => {
          value = request.contextValues.get(key);
          return next(request);
        },
        named("client inner"),
      ],
    });
    let trailer: Headers | undefined;
    const response = await client.echo(
      { text: "" },
      {
        contextValues: createContextValues().set(key, "set"),
        onTrailer: (trailers) => {
          trailer = trailers;
        },
      },
    );
    assert.equal(response.text, "datapunk.mesh.test.v1.EchoResponse!");
    assert.deepEqual(order, ["client outer", "client inner", "server outer", "server inner"]);
    assert.equal(by, order.join(", "));
    assert.equal(value, "set");
    assert.match(trailer?.get("x-seen") ?? "", /server inner, server outer/);
    order.length = 0;
    const chat = await all(client.chat(each({ text: "a" }, { text: "b" })));
    assert.equal(chat.length, 2);
    assert.equal(order.length, 4);
  });

  it("gives handlers Connect's context", async () => {
    const contexts: HandlerContext[] = [];
    const { origin } = await serve(cleanup, {
      service: {
        echo(_request, context) {
          contexts.push(context);
          return {};
        },
      },
    });
    const { client } = open(cleanup, origin);
    await client.echo({ text: "" });
    const context = contexts[0]!;
    assert.equal(context.protocolName, "grpc");
    assert.equal(context.requestMethod, "POST");
    assert.equal(context.url, `${origin}/datapunk.mesh.test.v1.EchoService/Echo`);
    assert.equal(context.method.name, "Echo");
    assert.equal(context.service.typeName, "datapunk.mesh.test.v1.EchoService");
    assert.equal(context.timeoutMs(), undefined);
    assert.equal(context.requestHeader.get("content-type"), "application/grpc+proto");
    // Connect's signal is aborted once the RPC is over, also for whoever looks only then.
    assert.equal(context.signal.aborted, true);
  });

  it("runs over mutual TLS, and fails before the call starts when the certificate is refused", async () => {
    const authority = await createAuthority();
    const tls = await authority.issue();
    const { origin } = await serve(cleanup, { tls });
    const mine = await authority.issue({ commonName: "client" });
    assert.equal((await open(cleanup, origin, { tls: mine }).client.echo({ text: "tls" })).text, "tls");

    const stranger = await createAuthority();
    const theirs = await stranger.issue();
    const error = await rejection(open(cleanup, origin, { tls: theirs }).client.echo({ text: "" }));
    assert.equal(error.code, Code.Unavailable);
    assert.equal((error.cause as { fault?: string }).fault, "tls");
  });
});
