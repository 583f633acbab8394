import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { constants, type ServerHttp2Stream } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { afterEach, describe, it } from "node:test";
import { Code, type ConnectError } from "@connectrpc/connect";
import { isTransportError, type MeshError } from "../../../src/core/errors.ts";
import { createAuthority } from "../../support/certificates.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { Cleanup, deferred, failure, faultOf } from "./grpc-checks.ts";
import { answer, listenOn, open, serve, serveRaw } from "./grpc-fixture.ts";
import { frameTypes, serveFrames, words } from "./grpc-frames.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("the sessions of the gRPC client", () => {
  it("sends new calls over a new connection after a GOAWAY, and lets the old ones finish", async () => {
    const held: ServerHttp2Stream[] = [];
    const first = deferred();
    const sessions = new Set<unknown>();
    const origin = await serveRaw(cleanup, (stream, index) => {
      sessions.add(stream.session);
      if (index > 0) {
        answer(stream, "new");
        return;
      }
      held.push(stream);
      first.resolve();
    });
    const { client } = open(cleanup, origin);
    const old = client.echo({ text: "" });
    await first.promise;
    held[0]!.session!.goaway(constants.NGHTTP2_NO_ERROR, held[0]!.id);
    // A call that goes out before the GOAWAY is there is told that it never started: it may be repeated.
    let next: string | undefined;
    while (next === undefined) {
      const [result] = await Promise.allSettled([client.echo({ text: "" })]);
      if (result.status === "fulfilled") next = result.value.text;
      else assert.equal(faultOf(result.reason as ConnectError), "never-started");
    }
    assert.equal(sessions.size, 2);
    assert.equal(next, "new");
    answer(held[0]!, "old");
    assert.equal((await old).text, "old");
  });

  it("tells a call that the server's GOAWAY left out from one that was lost", async () => {
    const ids: number[] = [];
    const origin = await serveFrames(cleanup, (type, id, write) => {
      if (type !== frameTypes.headers || ids.push(id) < 2) return;
      write(frameTypes.goaway, 0, 0, words(Math.min(...ids), constants.NGHTTP2_INTERNAL_ERROR));
    });
    const { client } = open(cleanup, origin);
    const errors = [failure(client.echo({ text: "1" })), failure(client.echo({ text: "2" }))];
    const faults = (await Promise.all(errors)).map(faultOf);
    assert.deepEqual(faults, ["reset", "never-started"]);
  });

  it("says unavailable when the connection breaks, and connects anew for the next call", async () => {
    let broken = 0;
    const origin = await serveRaw(cleanup, (stream, index, breakOff) => {
      if (index > 0) {
        answer(stream, "again");
        return;
      }
      broken++;
      breakOff();
    });
    const { client } = open(cleanup, origin);
    const error = await failure(client.echo({ text: "" }));
    assert.equal(broken, 1);
    assert.equal(error.code, Code.Unavailable);
    assert.equal(faultOf(error), "reset");
    assert.equal((await client.echo({ text: "" })).text, "again");
  });

  it("says that a call to a closed port never started", async () => {
    const origin = await serveRaw(cleanup, () => {});
    await cleanup.run();
    const { client } = open(cleanup, origin);
    const unary = await failure(client.echo({ text: "" }));
    const stream = await failure(client.expand({ text: "" })[Symbol.asyncIterator]().next());
    for (const error of [unary, stream]) {
      assert.equal(error.code, Code.Unavailable);
      assert.equal(faultOf(error), "refused");
    }
  });

  it("says so when a server speaks no HTTP/2, in the clear and over TLS", async () => {
    const answer = (_request: unknown, response: { end(text: string): void }): void => response.end("hello");
    const tls = await (await createAuthority()).issue();
    const origins = [
      await listenOn(cleanup, createHttpServer(answer)),
      await listenOn(cleanup, createHttpsServer(tls, answer), "https"),
    ];
    for (const origin of origins) {
      const { client } = open(cleanup, origin, { tls });
      const error = await failure(client.echo({ text: "" }));
      assert.equal(error.code, Code.Unavailable, origin);
      assert.equal(faultOf(error), "no-http2", origin);
      assert.match(error.rawMessage, /speaks HTTP\/1\.1 alone/);
    }
  });

  it("gives up on a server that never responds to the connection", async () => {
    const clock = new VirtualClock();
    const silent = createTcpServer((socket) => socket.on("error", () => {}));
    await new Promise<void>((resolve) => {
      silent.listen(0, "127.0.0.1", resolve);
    });
    cleanup.add(() => silent.close());
    // Nothing listens for TLS: the handshake stays without a response.
    const origin = `https://127.0.0.1:${(silent.address() as { port: number }).port}`;
    const tls = { ca: "", cert: "", key: "" };
    const { client } = open(cleanup, origin, { clock, connectTimeoutMs: 7_000, tls });
    const error = failure(client.echo({ text: "" }));
    const connected = new Promise<void>((resolve) => silent.once("connection", () => resolve()));
    await connected;
    await clock.advance(7_000);
    assert.equal((await error).code, Code.Unavailable);
    assert.equal(
      isTransportError((await error).cause) &&
        ((await error).cause as { neverStarted?: boolean }).neverStarted,
      true,
    );
  });

  it("opens another session only when the streams of the first run out", async () => {
    const held: ServerHttp2Stream[] = [];
    const sessions = new Set<unknown>();
    let arrived = deferred();
    const origin = await serveRaw(
      cleanup,
      (stream) => {
        sessions.add(stream.session);
        held.push(stream);
        arrived.resolve();
      },
      { maxConcurrentStreams: 2 },
    );
    const { client, transport } = open(cleanup, origin, { maxSessions: 2 });
    const calls: Promise<unknown>[] = [];
    // The first response tells the client the server's settings.
    calls.push(client.echo({ text: "" }));
    await arrived.promise;
    answer(held.shift()!, "");
    await calls.shift();
    for (let i = 0; i < 4; i++) {
      arrived = deferred();
      calls.push(client.echo({ text: "" }));
      await arrived.promise;
    }
    assert.equal(sessions.size, 2);
    // Both are full, and no third may be opened: this one waits for a place.
    const waiting = client.echo({ text: "" });
    assert.deepEqual({ ...transport.state() }, { sessions: 2, connecting: false, streams: 4, waiting: 1 });
    arrived = deferred();
    answer(held.shift()!, "");
    await calls.shift();
    await arrived.promise;
    assert.equal(sessions.size, 2);
    for (const stream of held) answer(stream, "");
    await Promise.all([...calls, waiting]);
    // A place is given back when its stream has closed, just after the response.
    while (transport.state().streams > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it("verifies a connection after idleness, and goes on using it", async () => {
    const clock = new VirtualClock();
    const { origin } = await serve(cleanup);
    const { client, transport } = open(cleanup, origin, { clock, verifyAfterIdleMs: 30_000 });
    await client.echo({ text: "first" });
    await clock.advance(31_000);
    // The ping is acknowledged, so nothing else happens.
    assert.equal((await client.echo({ text: "second" })).text, "second");
    assert.equal(transport.state().sessions, 1);
    assert.equal(clock.pending, 0);
  });

  it("replaces an idle connection that does not respond, before the next call is sent over it", async () => {
    const clock = new VirtualClock();
    const pinged = deferred();
    let connections = 0;
    const origin = await serveFrames(cleanup, (type, id, write) => {
      if (type === frameTypes.ping) pinged.resolve();
      if (type !== frameTypes.headers) return;
      connections++;
      write(frameTypes.reset, 0, id, words(constants.NGHTTP2_REFUSED_STREAM));
    });
    const { client, transport } = open(cleanup, origin, { clock, pingTimeoutMs: 5_000 });
    await failure(client.echo({ text: "" }));
    while (transport.state().streams > 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(31_000);
    const second = failure(client.echo({ text: "" }));
    await pinged.promise;
    assert.equal(connections, 1);
    await clock.advance(5_000);
    // The new connection is as good as the first one was.
    assert.equal(faultOf(await second), "never-started");
    assert.equal(connections, 2);
  });

  it("closes a connection whose keepalive ping is not acknowledged", async () => {
    const clock = new VirtualClock();
    const pings = deferred();
    const connected = deferred();
    const origin = await serveFrames(cleanup, (type) => {
      if (type === frameTypes.headers) connected.resolve();
      if (type === frameTypes.ping) pings.resolve();
    });
    const { client } = open(cleanup, origin, { clock, keepalive: { intervalMs: 10_000, timeoutMs: 5_000 } });
    const error = failure(client.echo({ text: "" }));
    await connected.promise;
    // The timer of the connection attempt is replaced by the keepalive's once it is up.
    while (clock.nextInMs !== 10_000 || clock.pending !== 1) await clock.advance(0);
    await clock.advance(10_000);
    await pings.promise;
    await clock.advance(5_000);
    assert.equal((await error).code, Code.Unavailable);
    assert.equal(faultOf(await error), "reset");
  });

  it("takes no calls after it was closed", async () => {
    const { origin } = await serve(cleanup);
    const { client, transport } = open(cleanup, origin);
    await client.echo({ text: "" });
    await transport.close();
    const error = await failure(client.echo({ text: "" }));
    assert.equal(error.code, Code.Unavailable);
    assert.equal((error.cause as MeshError).code, "ERR_SHUTTING_DOWN");
    assert.equal(transport.state().sessions, 0);
  });

  it("closes at once after calls that were cancelled", async () => {
    const clock = new VirtualClock();
    const { origin } = await serve(cleanup);
    for (let turn = 0; turn < 10; turn++) {
      const { client, transport } = open(cleanup, origin, { clock });
      const stop = new AbortController();
      const talk = deferred();
      async function* requests(): AsyncGenerator<{ text: string }> {
        yield { text: "first" };
        await talk.promise;
      }
      const early = new AbortController();
      const collected = failure(client.collect(requests(), { signal: early.signal }));
      early.abort();
      assert.equal((await collected).code, Code.Canceled);
      const responses = client.chat(requests(), { signal: stop.signal })[Symbol.asyncIterator]();
      await responses.next();
      stop.abort();
      assert.equal((await failure(responses.next())).code, Code.Canceled);
      talk.resolve();
      // Nobody moves the clock: the grace that open calls would get never ends.
      await transport.close();
    }
  });

  it("leaves no timer and no stream behind, however its calls end", async () => {
    const clock = new VirtualClock();
    const origin = await serveRaw(cleanup, (stream, index) => {
      if (index % 3 === 0) answer(stream, "ok");
      else if (index % 3 === 1) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      else stream.respond({ ":status": 503 }, { endStream: true });
    });
    const { client, transport } = open(cleanup, origin, { clock });
    const controller = new AbortController();
    const settled = await Promise.allSettled(
      Array.from({ length: 30 }, () =>
        client.echo({ text: "" }, { timeoutMs: 50_000, signal: controller.signal }),
      ),
    );
    assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 10);
    while (transport.state().streams > 0) await new Promise((resolve) => setImmediate(resolve));
    // The wheel that watches all deadlines goes to sleep by itself.
    await clock.advance(50);
    assert.equal(clock.pending, 0);
  });
});
