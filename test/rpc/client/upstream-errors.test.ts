import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient, type ServiceImpl } from "@connectrpc/connect";
import { MeshError } from "../../../src/core/errors.ts";
import { isUpstream, markUpstream } from "../../../src/core/upstream.ts";
import type { RpcFetch } from "../../../src/rpc/client/fetch-client.ts";
import { createFetchRpcTransport } from "../../../src/rpc/client/fetch-rpc-transport.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { all, errorOf, serveInProcess } from "../echo.ts";
import { inProcessTransport, openClient } from "./mesh-client.ts";

const secret = "shard 7 of 10.0.0.9 has no such row";

/** What the client of a service is told when the service behind it says a code. */
const outward: readonly (readonly [Code, Code])[] = [
  [Code.Canceled, Code.Internal],
  [Code.Unknown, Code.Internal],
  [Code.InvalidArgument, Code.Internal],
  [Code.DeadlineExceeded, Code.DeadlineExceeded],
  [Code.NotFound, Code.Internal],
  [Code.AlreadyExists, Code.Internal],
  [Code.PermissionDenied, Code.Internal],
  [Code.ResourceExhausted, Code.Unavailable],
  [Code.FailedPrecondition, Code.Internal],
  [Code.Aborted, Code.Internal],
  [Code.OutOfRange, Code.Internal],
  [Code.Unimplemented, Code.Internal],
  [Code.Internal, Code.Internal],
  [Code.Unavailable, Code.Unavailable],
  [Code.DataLoss, Code.Internal],
  [Code.Unauthenticated, Code.Internal],
];

type Echo = Partial<ServiceImpl<typeof EchoService>>;

/** A service whose handlers are given, called in a dialect, and what it told its log. */
function front(dialect: "connect" | "grpc-web", service: Echo) {
  const told: unknown[] = [];
  const { fetch, pipeline } = serveInProcess({
    onError: (_, error) => told.push(error),
    routes: (router) => router.service(EchoService, service),
  });
  const transport = createFetchRpcTransport({
    fetch,
    options: { origin: "https://front.test", protocol: dialect },
  });
  return { client: createClient(EchoService, transport.transport), told, pipeline };
}

/** A mesh client of a service that responds as `fetch` does. */
function behind(fetch: RpcFetch) {
  const transport = inProcessTransport(fetch);
  return openClient({ transportFor: () => transport, retry: false }).client;
}

function saying(code: Code, metadata: Record<string, string> = {}): RpcFetch {
  const say = (): never => {
    throw new ConnectError(secret, code, { "x-secret": secret, ...metadata });
  };
  return serveInProcess({
    routes: (router) =>
      router.service(EchoService, {
        echo: say,
        async *expand({ count }) {
          for (let index = 0; index < count; index++) yield { index };
          say();
        },
      }),
  }).fetch;
}

/** Responses that no client can make sense of. */
const senseless: Readonly<Record<string, () => Response>> = {
  "text in the place of a message": () =>
    new Response(secret, { headers: { "content-type": "application/proto" } }),
  "a type that nobody asked for": () => new Response(secret, { headers: { "content-type": "text/html" } }),
  "an encoding that was not used": () =>
    new Response(secret, { headers: { "content-type": "application/proto", "content-encoding": "gzip" } }),
  "an encoding that nobody knows": () =>
    new Response(secret, { headers: { "content-type": "application/proto", "content-encoding": "zip" } }),
  "an error that is none": () =>
    new Response(`{"code":"${secret}"}`, { status: 400, headers: { "content-type": "application/json" } }),
  "a bare 400": () => new Response(secret, { status: 400 }),
};

for (const dialect of ["connect", "grpc-web"] as const) {
  describe(`An error of the service behind, passed on by a handler, by ${dialect}`, () => {
    for (const [code, shown] of outward) {
      it(`goes out as ${Code[shown]} when it is ${Code[code]}, without its text`, async () => {
        const inner = behind(saying(code));
        const { client, told, pipeline } = front(dialect, {
          echo: ({ text }) => inner.echo({ text }),
          expand: ({ count }) => inner.expand({ count }),
        });
        const errors = [
          await errorOf(client.echo({})),
          await errorOf(all(client.expand({ count: 0 }))),
          await errorOf(all(client.expand({ count: 2 }))),
        ];
        for (const error of errors) {
          assert.equal(error.code, shown);
          assert.match(error.rawMessage, /^a service behind this one /);
          assert.equal(error.metadata.get("x-secret"), null);
        }
        assert.equal(told.length, errors.length);
        for (const error of told) assert.ok((error as Error).message.includes(secret));
        assert.equal(pipeline.outcomes[0]?.status, nameOf(shown));
      });
    }

    for (const [what, respond] of Object.entries(senseless)) {
      it(`is not the client's fault when the response was ${what}`, async () => {
        const inner = behind(async () => respond());
        const { client, told } = front(dialect, { echo: ({ text }) => inner.echo({ text }) });
        const error = await errorOf(client.echo({}));
        assert.equal(error.code, Code.Internal);
        assert.equal(error.rawMessage, "a service behind this one failed");
        assert.equal(told.length, 1);
      });
    }

    it("says when to come back, where the service behind said so", async () => {
      const inner = behind(saying(Code.Unavailable, { "grpc-retry-pushback-ms": "1500" }));
      const { client } = front(dialect, { echo: ({ text }) => inner.echo({ text }) });
      const { metadata } = await errorOf(client.echo({}));
      assert.equal(metadata.get("grpc-retry-pushback-ms"), "1500");
    });

    it("is not the client's fault when the handler called wrongly", async () => {
      const inner = behind(saying(Code.Internal));
      const { client, told } = front(dialect, {
        echo: ({ text }) => inner.echo({ text }, { timeoutMs: Number.NaN }),
      });
      assert.equal((await errorOf(client.echo({}))).code, Code.Internal);
      assert.match(String(told), /timeoutMs is NaN/);
    });

    it("may be one of the REST client's", async () => {
      const parsed = markUpstream(new MeshError("ERR_INVALID_BODY", secret));
      const refused = Object.assign(new MeshError("ERR_HTTP_STATUS", secret), { status: 503 });
      const errors: unknown[] = [parsed, markUpstream(refused)];
      const { client } = front(dialect, {
        echo() {
          throw errors.shift();
        },
      });
      const shown = [await errorOf(client.echo({})), await errorOf(client.echo({}))];
      assert.deepEqual(
        shown.map(({ code }) => code),
        [Code.Internal, Code.Unavailable],
      );
    });

    it("goes out as the handler's own when the handler makes it its own", async () => {
      const inner = behind(saying(Code.NotFound));
      const { client, told } = front(dialect, {
        async echo({ text }) {
          try {
            return await inner.echo({ text });
          } catch (cause) {
            throw new ConnectError("no such weather", Code.InvalidArgument, undefined, undefined, cause);
          }
        },
      });
      const error = await errorOf(client.echo({}));
      assert.deepEqual([error.code, error.rawMessage], [Code.InvalidArgument, "no such weather"]);
      assert.deepEqual(told, []);
    });

    it("leaves the client's own faults where they are", async () => {
      const { client } = front(dialect, {
        echo() {
          throw new ConnectError("text is missing", Code.InvalidArgument);
        },
      });
      const error = await errorOf(client.echo({}));
      assert.deepEqual([error.code, error.rawMessage], [Code.InvalidArgument, "text is missing"]);
    });
  });
}

describe("markUpstream()", () => {
  it("returns what it marks, frozen objects too, and leaves alone what is no object", () => {
    const error = Object.freeze(new Error("frozen"));
    assert.equal(markUpstream(error), error);
    assert.equal(isUpstream(error), true);
    assert.equal(isUpstream(new Error("frozen")), false);
    for (const value of [undefined, null, "text", 7]) {
      assert.equal(markUpstream(value), value);
      assert.equal(isUpstream(value), false);
    }
  });
});

function nameOf(code: Code): string {
  return Code[code].replace(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
