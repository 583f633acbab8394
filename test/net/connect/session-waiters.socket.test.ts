import assert from "node:assert/strict";
import { constants, type ServerHttp2Stream } from "node:http2";
import { afterEach, describe, it } from "node:test";
import { type Client, Code, createClient, type Transport } from "@connectrpc/connect";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { systemClock } from "../../../src/core/clock.ts";
import { RpcTransports } from "../../../src/mesh/rpc-transports.ts";
import { createHttp2Client } from "../../../src/net/connect/http2-fetch-client.ts";
import { type PoolState, poolDefaults, SessionPool } from "../../../src/net/connect/session-pool.ts";
import { ConnectionQueue, PendingConnection } from "../../../src/rpc/client/connection-queue.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { Cleanup, deferred, failure } from "../../rpc/client/grpc-checks.ts";
import { open, serveRaw } from "../../rpc/client/grpc-fixture.ts";
import { until } from "../../rpc/socket-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

interface Opened {
  readonly transport: Transport;
  readonly state: () => PoolState;
  readonly close: () => Promise<void>;
}

function openGrpc(origin: string): Opened {
  const { transport } = open(cleanup, origin, { maxSessions: 1 });
  return { transport: transport.transport, state: () => transport.state(), close: () => transport.close() };
}

const openOver =
  (create: typeof createConnectTransport) =>
  (origin: string): Opened => {
    const options = { origin, tls: undefined, clock: systemClock, keepalive: undefined };
    const pool = new SessionPool({ ...poolDefaults, ...options, maxSessions: 1 });
    cleanup.add(() => pool.close(0));
    const transport = create({
      httpClient: createHttp2Client(pool),
      baseUrl: origin,
      useBinaryFormat: true,
      interceptors: [],
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: 0,
      readMaxBytes: 1_000_000,
      writeMaxBytes: 1_000_000,
    });
    return { transport, state: () => pool.state, close: () => pool.close(0) };
  };

const dialects = {
  gRPC: openGrpc,
  Connect: openOver(createConnectTransport),
  "gRPC-Web": openOver(createGrpcWebTransport),
};

interface FullLeaf extends Opened {
  readonly client: Client<typeof EchoService>;
  /** Streams that the server got after the held one. */
  readonly later: ServerHttp2Stream[];
  /** Frees the only place there is. */
  free(): void;
}

/** A leaf with one session with one place, and a call in it. */
async function fullLeaf(opening: (origin: string) => Opened): Promise<FullLeaf> {
  let held: ServerHttp2Stream | undefined;
  const later: ServerHttp2Stream[] = [];
  const arrived = deferred();
  const reset = (stream: ServerHttp2Stream | undefined): void =>
    stream?.close(constants.NGHTTP2_INTERNAL_ERROR);
  const origin = await serveRaw(
    cleanup,
    (stream, index) => {
      // The end of the first call tells that the server's settings are there.
      if (index === 0) reset(stream);
      else if (index === 1) {
        held = stream;
        arrived.resolve();
      } else {
        later.push(stream);
        reset(stream);
      }
    },
    { maxConcurrentStreams: 1 },
  );
  const opened = opening(origin);
  const client = createClient(EchoService, opened.transport);
  await failure(client.echo({ text: "" }));
  await until(() => opened.state().streams === 0);
  client.echo({ text: "held" }).catch(() => {});
  await arrived.promise;
  return { ...opened, client, later, free: () => reset(held) };
}

for (const [dialect, opening] of Object.entries(dialects)) {
  describe(`calls over ${dialect} that wait for a session`, () => {
    it("wait no more once they timed out or were cancelled", async () => {
      const { client, state, later, free } = await fullLeaf(opening);
      const stop = new AbortController();
      const { signal } = stop;
      const first = (stream: AsyncIterable<unknown>): Promise<unknown> =>
        stream[Symbol.asyncIterator]().next();
      const timed = Array.from({ length: 100 }, (_, index) =>
        failure(
          index % 2 === 0
            ? client.echo({ text: "" }, { timeoutMs: 20 })
            : first(client.expand({ text: "" }, { timeoutMs: 20 })),
        ),
      );
      const cancelled = Array.from({ length: 100 }, (_, index) =>
        failure(
          index % 2 === 0
            ? client.echo({ text: "" }, { signal })
            : first(client.expand({ text: "" }, { signal })),
        ),
      );
      await until(() => state().waiting === 100 || state().waiting === 200);
      stop.abort();
      for (const error of await Promise.all(timed)) assert.equal(error.code, Code.DeadlineExceeded);
      for (const error of await Promise.all(cancelled)) assert.equal(error.code, Code.Canceled);
      assert.deepEqual({ ...state() }, { sessions: 1, connecting: false, streams: 1, waiting: 0 });
      free();
      await until(() => state().streams === 0);
      assert.equal(later.length, 0);
    });

    it("are served in the order they came, past those that gave up", async () => {
      const { client, state, later, free } = await fullLeaf(opening);
      const order: string[] = [];
      const stop = new AbortController();
      const calls: Promise<unknown>[] = [];
      for (const name of ["a", "x", "b", "x", "x", "c"]) {
        const call = client.echo({ text: name }, name === "x" ? { signal: stop.signal } : {});
        calls.push(failure(call).then(() => name !== "x" && order.push(name)));
        await until(() => state().waiting === calls.length);
      }
      stop.abort();
      await until(() => state().waiting === 3);
      free();
      await Promise.all(calls);
      assert.deepEqual(order, ["a", "b", "c"]);
      assert.equal(later.length, 3);
    });

    it("keep no leaf from being released after they gave up", async () => {
      const { transport, client, state, close, free } = await fullLeaf(opening);
      let closed = false;
      const transports = new RpcTransports(() => ({
        transport,
        state,
        close: () => {
          closed = true;
          return close();
        },
      }));
      transports.opener({} as never)("grpc", "http://full.test");
      const stop = new AbortController();
      const call = failure(client.echo({ text: "" }, { signal: stop.signal }));
      await until(() => state().waiting === 1);
      assert.equal(transports.release("http://full.test"), false);
      stop.abort();
      await call;
      free();
      await until(() => state().streams === 0);
      assert.equal(transports.release("http://full.test"), true);
      assert.equal(closed, true);
    });

    it("count a session that drains among the streams, but not among the sessions", async () => {
      const held = deferred<ServerHttp2Stream>();
      const origin = await serveRaw(cleanup, (stream) => held.resolve(stream));
      const { transport, state } = opening(origin);
      const call = failure(createClient(EchoService, transport).echo({ text: "" }));
      const stream = await held.promise;
      assert.deepEqual({ ...state() }, { sessions: 1, connecting: false, streams: 1, waiting: 0 });
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR, stream.id);
      await until(() => state().sessions === 0);
      assert.equal(state().streams, 1);
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      await call;
      await until(() => state().streams === 0);
    });
  });
}

describe("the queue of those who wait for a session", () => {
  it("lets the first, the last and one in the middle leave, and keeps the order of the others", () => {
    const queue = new ConnectionQueue<never>();
    const all = Array.from({ length: 6 }, () => new PendingConnection<never>());
    for (const pending of all) queue.push(pending);
    for (const index of [0, 5, 2]) all[index]!.drop();
    all[2]!.drop();
    assert.equal(queue.length, 3);
    assert.deepEqual(
      [queue.shift(), queue.shift(), queue.shift(), queue.shift()].map((each) => each && all.indexOf(each)),
      [1, 3, 4, undefined],
    );
    assert.equal(queue.length, 0);
    const next = new PendingConnection<never>();
    queue.push(next);
    assert.equal(queue.shift(), next);
  });
});
