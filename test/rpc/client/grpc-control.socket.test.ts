import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { createAuthority } from "../../support/certificates.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { all, Cleanup, deferred, each, failure } from "./grpc-checks.ts";
import { open, serve } from "./grpc-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("control of calls on the gRPC wire", () => {
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
    const call = failure(client.echo({ text: "" }, { timeoutMs: 60_000 }));
    const context = await started.promise;
    assert.ok((context.timeoutMs() ?? 0) > 59_000 && (context.timeoutMs() ?? 0) <= 60_000);
    const aborted = new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    await clock.advance(60_000);
    assert.equal((await call).code, Code.DeadlineExceeded);
    // The client's reset reaches the handler.
    await aborted;
  });

  it("says deadline exceeded when the server's clock runs out first", async () => {
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
    const call = failure(client.echo({ text: "" }, { timeoutMs: 60_000 }));
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
    const early = await failure(client.echo({ text: "" }, { signal: AbortSignal.abort() }));
    assert.equal(early.code, Code.Canceled);
    const controller = new AbortController();
    const call = failure(client.echo({ text: "" }, { signal: controller.signal }));
    const serverSignal = await started.promise;
    const seen = new Promise((resolve) => serverSignal.addEventListener("abort", resolve));
    controller.abort();
    assert.equal((await call).code, Code.Canceled);
    await seen;
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ["cancelled"],
    );
  });

  it("cancels a stream of which everything has arrived and not everything was read", async () => {
    const { origin, outcomes } = await serve(cleanup, {});
    const { client } = open(cleanup, origin);
    const controller = new AbortController();
    const messages = client.expand({ text: "", count: 3 }, { signal: controller.signal });
    const reader = messages[Symbol.asyncIterator]();
    assert.equal((await reader.next()).done, false);
    // The server has said everything; two more calls over the same connection prove that it is here.
    while (outcomes.length === 0) await client.echo({ text: "" });
    await client.echo({ text: "" });
    controller.abort();
    assert.equal((await failure(reader.next())).code, Code.Canceled);
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
    const { transport } = open(cleanup, origin);
    const response = await transport.transport.stream(
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

  it("runs Connect's interceptors around the implementation, outermost first", async () => {
    const order: string[] = [];
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
    const { origin } = await serve(cleanup, {
      interceptors: [named("server outer"), named("server inner"), replacing],
      service: {
        echo(_request, context) {
          by = context.requestHeader.get("x-by");
          return { text: "plain" };
        },
      },
    });
    const { client } = open(cleanup, origin);
    let trailer: Headers | undefined;
    const response = await client.echo(
      { text: "" },
      {
        onTrailer: (trailers) => {
          trailer = trailers;
        },
      },
    );
    assert.equal(response.text, "datapunk.mesh.test.v1.EchoResponse!");
    assert.deepEqual(order, ["server outer", "server inner"]);
    assert.equal(by, order.join(", "));
    assert.match(trailer?.get("x-seen") ?? "", /server inner, server outer/);
    order.length = 0;
    const chat = await all(client.chat(each({ text: "a" }, { text: "b" })));
    assert.equal(chat.length, 2);
    assert.equal(order.length, 2);
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
    const error = await failure(open(cleanup, origin, { tls: theirs }).client.echo({ text: "" }));
    assert.equal(error.code, Code.Unavailable);
    assert.equal((error.cause as { fault?: string }).fault, "tls");
  });
});
