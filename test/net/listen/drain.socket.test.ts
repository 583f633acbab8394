import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { afterEach, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import type { MeshError } from "../../../src/core/errors.ts";
import { frameType, h2, readUint32 } from "../../../src/http/http2/frame/frame-types.ts";
import { createDispatcher } from "../../../src/rpc/server/create-dispatcher.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { RawPeer } from "../../http/http2/http2-peer.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { OpenPipeline } from "../../rpc/echo.ts";
import { unless } from "../../support/capability.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import {
  foreignSession,
  http1,
  http2,
  openHttp2,
  openTcp,
  raw,
  serve,
  signal,
  statusOf,
  untilClosed,
  within,
} from "./listener-fixture.ts";

/** Whether a promise has settled by the time that everything due now has run. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  const turns = (async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    return pending;
  })();
  return (await Promise.race([promise, turns])) === pending;
}

describe("drain", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** A server whose handler waits until it is let go. */
  async function waiting() {
    const began = signal();
    const go = signal();
    const server = await serve(cleanup, async () => {
      began.fire();
      await go.promise;
      return new Response("finished");
    });
    return { server, began, go };
  }

  it("lets an HTTP/1.1 request finish and closes its connection", async () => {
    const { server, began, go } = await waiting();
    const agent = new Agent({ keepAlive: true });
    cleanup.add(() => agent.destroy());
    const answer = http1(server.port, { agent });
    await within(began.promise, "the handler");
    assert.equal(server.listener.inFlight, 1);
    const drained = server.listener.drain();
    assert.ok(await isPending(drained));
    await assert.rejects(http1(server.port), { code: "ECONNREFUSED" });
    go.fire();
    const { text, headers } = await answer;
    assert.equal(text, "finished");
    assert.equal(headers.connection, "close");
    await within(drained, "the drain");
    assert.equal(server.listener.inFlight, 0);
  });

  it("serves idle HTTP/1.1 connections for a second more, because a request may be on its way", async () => {
    const clock = new VirtualClock();
    const server = await serve(cleanup, () => new Response("served"), { clock });
    const sockets = await Promise.all([openTcp(cleanup, server.port), openTcp(cleanup, server.port)]);
    const closed = sockets.map(untilClosed);
    const answered = sockets.map((socket) =>
      within(new Promise((resolve) => socket.once("data", resolve)), "a response"),
    );
    for (const socket of sockets) socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await Promise.all(answered);
    const drained = server.listener.drain();
    await clock.advance(500);
    sockets[0]!.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
    const [first = ""] = await Promise.all([closed[0]]);
    assert.deepEqual(
      [...first.matchAll(/connection: (\S+)/g)].map((match) => match[1]),
      ["keep-alive", "close"],
    );
    await clock.advance(500);
    assert.equal(statusOf((await closed[1]) ?? ""), 200);
    await within(drained, "the drain");
  });

  it("closes connections that have not said who they are", async () => {
    const { server } = await waiting();
    const starts = ["G", "GET / HTTP/1.1\r\nhost:", "PRI * HT"];
    const sockets = await Promise.all(starts.map(() => openTcp(cleanup, server.port)));
    const closed = sockets.map(untilClosed);
    for (const [index, start] of starts.entries()) sockets[index]?.write(start);
    // What was written before this was read before it: the loopback interface keeps the order of time.
    await raw(cleanup, server.port, "no request at all\r\n\r\n");
    await within(server.listener.drain(), "the drain");
    await server.listener.destroy();
    await Promise.all(closed);
  });

  it("sends GOAWAY and lets HTTP/2 streams finish", async () => {
    const { server, began, go } = await waiting();
    // Frame by frame: Deno's own client falls over a GOAWAY now and then, and takes the process with it.
    const peer = await RawPeer.open(cleanup, server.port);
    peer.get(1);
    await within(began.promise, "the handler");
    const drained = server.listener.drain();
    const { payload } = await peer.next(frameType.goaway);
    assert.equal(readUint32(payload, 4), h2.noError);
    assert.ok(await isPending(drained));
    go.fire();
    const body = (await peer.response(1)).filter(({ type }) => type === frameType.data);
    assert.equal(Buffer.concat(body.map((each) => each.payload)).toString(), "finished");
    await within(drained, "the drain");
  });

  it("closes idle HTTP/2 sessions", async () => {
    const { server, go } = await waiting();
    go.fire();
    const peer = await RawPeer.open(cleanup, server.port);
    peer.get(1);
    await peer.response(1);
    const closed = peer.goodbye();
    await within(server.listener.drain(), "the drain");
    assert.equal(await closed, h2.noError);
  });

  for (const [dialect, transportOver] of [
    ["gRPC", createGrpcTransport],
    ["Connect", createConnectTransport],
  ] as const) {
    it(`lets a ${dialect} stream finish`, async () => {
      const go = signal();
      const server = await serve(cleanup, () => new Response(), {
        rpc: createDispatcher({
          pipeline: new OpenPipeline(),
          routes: (router) =>
            router.service(EchoService, {
              async *expand() {
                yield { text: "first" };
                await go.promise;
                yield { text: "last" };
              },
            }),
        }),
      });
      const session = foreignSession(cleanup, `http://127.0.0.1:${server.port}`);
      const client = createClient(EchoService, transportOver(session));
      const messages = client.expand({})[Symbol.asyncIterator]();
      assert.equal((await within(messages.next(), "a message")).value?.text, "first");
      assert.equal(server.listener.inFlight, 1);
      const drained = server.listener.drain();
      assert.ok(await isPending(drained));
      go.fire();
      assert.equal((await within(messages.next(), "a message")).value?.text, "last");
      assert.equal((await within(messages.next(), "the end")).done, true);
      session.sessionManager.abort();
      await within(drained, "the drain");
    });
  }

  it("may be asked for twice", async () => {
    const { server } = await waiting();
    await within(Promise.all([server.listener.drain(), server.listener.drain()]), "both");
    await within(Promise.all([server.listener.destroy(), server.listener.destroy()]), "both");
  });

  it("gives the port free", async () => {
    const { server } = await waiting();
    await within(server.listener.drain(), "the drain");
    await within(server.listener.destroy(), "the end");
    const again = await serve(cleanup, () => new Response("again"), { ports: { all: server.port } });
    assert.equal((await http1(again.port)).text, "again");
  });
});

describe("destroy", unless("listen"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it("breaks off what is in flight, on every kind of connection", async () => {
    const began = [signal(), signal()];
    let count = 0;
    const server = await serve(cleanup, () => {
      began[count++]?.fire();
      return new Promise<Response>(() => {});
    });
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    const responses = [http1(server.port), http2(session, { ":path": "/" })];
    const broken = Promise.all(responses.map((answer) => assert.rejects(answer)));
    for (const { promise } of began) await within(promise, "the handlers");
    assert.equal(server.listener.inFlight, 2);
    const drained = server.listener.drain();
    await within(server.listener.destroy(), "the end");
    await within(drained, "the drain");
    await broken;
    assert.equal(server.listener.inFlight, 0);
  });

  it("stops accepting", async () => {
    const server = await serve(cleanup, () => new Response());
    await within(server.listener.destroy(), "the end");
    await assert.rejects(http1(server.port), { code: "ECONNREFUSED" });
  });

  it("says so when the port is taken", async () => {
    const server = await serve(cleanup, () => new Response());
    await assert.rejects(
      serve(cleanup, () => new Response(), { ports: { all: server.port } }),
      (error: MeshError) =>
        error.code === "ERR_LISTEN" && (error.cause as { code?: string }).code === "EADDRINUSE",
    );
    assert.equal(typeof httpRequest, "function");
  });
});
