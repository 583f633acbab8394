import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createMesh, staticDiscovery } from "../../mod.ts";
import type { Mesh } from "../../src/options.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { unless } from "../support/capability.ts";
import { metricValue } from "../support/metric-value.ts";
import { Cleanup, deferred, failure } from "./grpc-wire-checks.ts";
import { listenOn } from "./grpc-wire-fixture.ts";
import { concat, frameTypes, words } from "./grpc-wire-frames.ts";
import { within } from "./listener-fixture.ts";
import { until } from "./rpc-fixture.ts";

/** A frame of HTTP/2, which may promise more than it holds. */
function frameOf(
  type: number,
  flags: number,
  id: number,
  payload: Uint8Array,
  length = payload.length,
): Uint8Array {
  const head = new Uint8Array([length >> 16, length >> 8, length, type, flags]);
  return concat(head, words(id), payload);
}

/** What a server can do to a connection. */
const faults: [string, (socket: Socket) => void][] = [
  ["the end", (socket) => socket.end()],
  ["a TCP reset", (socket) => socket.resetAndDestroy()],
  ["bytes that are no frames", (socket) => socket.write(new Uint8Array(64).fill(0xff))],
  [
    "a header block that is none",
    (socket) => socket.write(frameOf(frameTypes.headers, 4, 1, new Uint8Array([0xff]))),
  ],
  [
    "a frame that ends too early",
    (socket) => socket.end(frameOf(frameTypes.data, 0, 1, new Uint8Array(3), 100)),
  ],
  [
    "a GOAWAY with an error, and the end",
    (socket) => socket.end(frameOf(frameTypes.goaway, 0, 0, words(0, 2))),
  ],
  [
    "a GOAWAY with an error, and a TCP reset",
    (socket) => {
      socket.write(frameOf(frameTypes.goaway, 0, 0, words(0, 11)), () => socket.resetAndDestroy());
    },
  ],
];

describe("the connection of an RPC client that its server spoils", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** A client of a server whose connections can be spoiled on the way. */
  async function openClient(protocol: "grpc" | "grpc-web" | "connect") {
    const reached: string[] = [];
    const gate = deferred();
    cleanup.add(() => gate.resolve());
    const server = await createMesh({ service: "echo", server: { rateLimit: false } }).serve({
      port: 0,
      hostname: "127.0.0.1",
      routes: (router) =>
        router.service(EchoService, {
          async echo({ text }) {
            reached.push(text);
            if (text === "held") await gate.promise;
            return { text };
          },
          async *expand({ text }) {
            yield { text };
            await gate.promise;
          },
        }),
    });
    cleanup.add(() => server.close({ force: true }));
    const sockets: Socket[] = [];
    const proxy = createServer({ noDelay: true }, (socket) => {
      const upstream = connect(server.port, "127.0.0.1");
      sockets.push(socket);
      cleanup.add(() => upstream.destroy());
      upstream.on("error", () => {});
      socket.on("data", (bytes) => upstream.write(bytes));
      socket.on("close", () => upstream.destroy());
      upstream.on("data", (bytes) => {
        if (socket.writable) socket.write(bytes);
      });
    });
    const origin = await listenOn(cleanup, proxy);
    const mesh = createMesh({
      service: "caller",
      discovery: staticDiscovery({ echo: [origin] }),
      policies: { "*": { retry: false, breaker: false } },
    });
    cleanup.add(() => mesh.close());
    const client = createClient(EchoService, mesh.transport("echo", { protocol, httpVersion: "2" }));
    return { client, sockets, reached, mesh };
  }

  /** Waits until the client has seen what became of its connection. */
  async function untilNoticed({ metrics }: Mesh): Promise<void> {
    for (let turn = 0; (await metricValue(metrics, "mesh_rpc_sessions")) !== 0; turn++) {
      assert.ok(turn < 5_000, "the client still counts on its connection");
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
    it(`costs the calls that are on it, and no later one, by ${protocol}`, async () => {
      const { client, sockets, reached } = await openClient(protocol);
      let turn = 0;
      for (const [name, spoil] of faults) {
        const stream = client.expand({ text: "first" })[Symbol.asyncIterator]();
        assert.equal((await within(stream.next(), "a message")).value?.text, "first");
        const unary = failure(client.echo({ text: "held" }));
        await until(() => reached.filter((text) => text === "held").length === turn + 1);
        spoil(sockets[turn++]!);
        for (const call of [unary, failure(stream.next())]) {
          const error = await within(call, `an error after ${name}`);
          assert.equal(error.code, Code.Unavailable, `${name}: ${error.message}`);
        }
        const answer = await within(client.echo({ text: "next" }), "an answer");
        assert.equal(answer.text, "next");
        assert.equal(sockets.length, turn + 1, "a connection of its own");
      }
    });

    it(`costs nothing while it is idle, by ${protocol}`, async () => {
      const { client, sockets, mesh } = await openClient(protocol);
      for (const [name, spoil] of faults) {
        assert.equal((await within(client.echo({ text: name }), "an answer")).text, name);
        spoil(sockets.at(-1)!);
        await untilNoticed(mesh);
      }
      assert.equal((await within(client.echo({ text: "last" }), "an answer")).text, "last");
      assert.equal(sockets.length, faults.length + 1);
    });
  }
});
