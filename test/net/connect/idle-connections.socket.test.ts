import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { createMesh } from "../../../src/mesh/mesh.ts";
import type { Mesh } from "../../../src/mesh/options.ts";
import type { RestClient } from "../../../src/rest/rest-client.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { errorOf } from "../../rest/lake.ts";
import { until } from "../../rpc/socket-fixture.ts";
import { unless } from "../../support/capability.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { closeAll, listening, meshOver } from "../listen/http-fixture.ts";
import { within } from "../listen/listener-fixture.ts";

interface Peer {
  readonly mesh: Mesh;
  readonly lake: RestClient;
  readonly clock: VirtualClock;
  /** Every connection so far, the newest last. */
  readonly sockets: readonly Socket[];
  /** How many of them are closed on both sides. */
  readonly closed: () => number;
  /** What is to happen to the next request instead of a response. */
  spoil: ((socket: Socket) => void) | undefined;
  /** Posts, and gives the number of connections that the server has seen then. */
  post(): Promise<number>;
}

/** A server that says of its connections what `fields` say, and a client with a virtual clock. */
async function peerOf(fields = "", idleTimeoutMs?: number, body = "ok"): Promise<Peer> {
  const sockets: Socket[] = [];
  let closed = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.push(socket);
    socket.on("close", () => closed++);
    socket.on("data", () => {
      const { spoil } = peer;
      peer.spoil = undefined;
      if (spoil === undefined) {
        socket.write(`HTTP/1.1 200 OK\r\n${fields}content-length: ${body.length}\r\n\r\n${body}`);
      } else spoil(socket);
    });
  });
  const clock = new VirtualClock();
  const mesh = meshOver([await listening(server as never)], {
    clock,
    ...(idleTimeoutMs && { idleTimeoutMs }),
  });
  const lake = mesh.rest("lake");
  const peer: Peer = {
    mesh,
    lake,
    clock,
    sockets,
    closed: () => closed,
    spoil: undefined,
    async post() {
      assert.equal(await within(lake.post("x", { json: 1 }).text(), "a response"), "ok");
      return sockets.length;
    },
  };
  return peer;
}

/** Only Node's HTTP client, which runs on Deno too, shows its connections. */
const shows = runtime.name !== "bun";

describe("a connection that was unused for a while", unless("listen"), () => {
  after(closeAll);

  it("is not used again after as long as its server was seen to keep such a one", async () => {
    const peer = await peerOf();
    await peer.post();
    await peer.clock.advance(1_000);
    peer.sockets[0]!.end();
    await until(() => peer.closed() === 1, "the client to close, too");
    assert.equal(await peer.post(), 2);
    await peer.clock.advance(700);
    assert.equal(await peer.post(), 2);
    await peer.clock.advance(750);
    // Bun's fetch keeps to itself what becomes of its connections.
    assert.equal(await peer.post(), shows ? 3 : 2);
  });

  it("is not used again after as long as it took to lose a request on one", async () => {
    const peer = await peerOf();
    await peer.post();
    await peer.clock.advance(1_000);
    peer.spoil = (socket) => socket.resetAndDestroy();
    await within(errorOf(peer.lake.post("x", { json: 1 })), "the loss");
    const before = await peer.post();
    await peer.clock.advance(750);
    assert.equal(await peer.post(), before + 1);
  });

  it("is used again when a request was lost on one that was in use", async () => {
    const peer = await peerOf();
    await peer.post();
    peer.spoil = (socket) => socket.resetAndDestroy();
    await within(errorOf(peer.lake.post("x", { json: 1 })), "the loss");
    const before = await peer.post();
    await peer.clock.advance(50);
    assert.equal(await peer.post(), shows ? before : before + 1);
  });

  it("is not used again after the time that an option says", async () => {
    const peer = await peerOf("", 2_000);
    await peer.post();
    await peer.clock.advance(1_900);
    assert.equal(await peer.post(), 1);
    await peer.clock.advance(2_000);
    assert.equal(await peer.post(), 2);
  });

  it("is never used again when its server keeps it for no more than a second", async () => {
    const peer = await peerOf("keep-alive: timeout=1\r\n");
    await peer.post();
    // Bun heeds no announcement, but gives a request that may not be repeated a connection of its own after four seconds.
    if (!shows) await peer.clock.advance(4_000);
    assert.equal(await peer.post(), 2);
  });
});

describe(
  "an HTTP/1.1 connection of an RPC client that was unused for a while",
  unless("listen", "grpcClient"),
  () => {
    after(closeAll);

    it("is not used again after as long as its server was seen to keep such a one", async () => {
      const peer = await peerOf("content-type: application/proto\r\n", undefined, "");
      const { sockets, clock } = peer;
      const client = createClient(
        EchoService,
        peer.mesh.transport("lake", { protocol: "connect", httpVersion: "1.1" }),
      );
      const call = async (): Promise<number> => {
        await within(client.echo({ text: "" }), "a response");
        return sockets.length;
      };
      assert.equal(await call(), 1);
      assert.equal(await call(), 1);
      await clock.advance(1_000);
      sockets[0]!.end();
      await until(() => peer.closed() === 1, "the client to close, too");
      assert.equal(await call(), 2);
      await clock.advance(700);
      assert.equal(await call(), 2);
      await clock.advance(750);
      await until(() => peer.closed() === 2, "the client to close first");
      assert.equal(await call(), 3);
      assert.ok(clock.pending <= 2);
    });

    it("whose end has come already is given to no call", async () => {
      const peer = await peerOf("content-type: application/proto\r\n", undefined, "");
      const client = createClient(
        EchoService,
        peer.mesh.transport("lake", { protocol: "connect", httpVersion: "1.1" }),
      );
      for (let turn = 1; turn <= 20; turn++) {
        await within(client.echo({ text: "" }), "a response");
        assert.equal(peer.sockets.length, turn);
        peer.sockets.at(-1)!.end();
        await until(() => peer.closed() === turn, "the client to close, too");
      }
    });
  },
);

describe("the idle time of connections", () => {
  it("must be a number of milliseconds", () => {
    for (const idleTimeoutMs of [0, -1, Number.NaN, Infinity]) {
      assert.throws(() => createMesh({ service: "x", idleTimeoutMs }), {
        name: "RangeError",
        message:
          /Cannot make createMesh\(\): idleTimeoutMs is .*; pass a number above 0 and at most 2147483647/,
      });
    }
  });
});
