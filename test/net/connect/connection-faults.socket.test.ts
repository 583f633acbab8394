import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createMesh, staticResolver } from "../../../mod.ts";
import { frameType, h2 } from "../../../src/http/http2/frame/frame-types.ts";
import type { Mesh } from "../../../src/mesh/options.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { endHeaders, frame } from "../../http/http2/connection-fixture.ts";
import { Cleanup, deferred, failure } from "../../rpc/client/grpc-checks.ts";
import { listenOn } from "../../rpc/client/grpc-fixture.ts";
import { words } from "../../rpc/client/grpc-frames.ts";
import { serveMesh, until } from "../../rpc/socket-fixture.ts";
import { unless } from "../../support/capability.ts";
import { metricValue } from "../../support/metric-value.ts";
import { within } from "../listen/listener-fixture.ts";

/** What a server can do to a connection. */
const faults: [string, (socket: Socket) => void][] = [
  ["the end", (socket) => socket.end()],
  ["a TCP reset", (socket) => socket.resetAndDestroy()],
  ["bytes that are no frames", (socket) => socket.write(new Uint8Array(64).fill(0xff))],
  [
    "a header block that is none",
    (socket) => socket.write(frame(frameType.headers, endHeaders, 1, new Uint8Array([0xff]))),
  ],
  [
    "a frame that ends too early",
    (socket) => socket.end(frame(frameType.data, 0, 1, new Uint8Array(100)).subarray(0, 12)),
  ],
  [
    "a GOAWAY with an error, and the end",
    (socket) => socket.end(frame(frameType.goaway, 0, 0, words(0, h2.internalError))),
  ],
  [
    "a GOAWAY with an error, and a TCP reset",
    (socket) => {
      socket.write(frame(frameType.goaway, 0, 0, words(0, h2.enhanceYourCalm)), () =>
        socket.resetAndDestroy(),
      );
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
    const server = await serveMesh(cleanup, (router) =>
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
    );
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
      resolver: staticResolver({ echo: [origin] }),
      policies: { "*": { retry: false, breaker: false } },
    });
    cleanup.add(() => mesh.close());
    const client = createClient(EchoService, mesh.transport("echo", { protocol, httpVersion: "2" }));
    return { client, sockets, reached, mesh };
  }

  /** Waits until the client has seen what became of its connection. */
  const untilNoticed = ({ metrics }: Mesh): Promise<void> =>
    until(
      async () => (await metricValue(metrics, "mesh_rpc_sessions")) === 0,
      "the client not to count on its connection",
    );

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
        const answer = await within(client.echo({ text: "next" }), "a response");
        assert.equal(answer.text, "next");
        assert.equal(sockets.length, turn + 1, "a connection of its own");
      }
    });

    it(`costs nothing while it is idle, by ${protocol}`, async () => {
      const { client, sockets, mesh } = await openClient(protocol);
      for (const [name, spoil] of faults) {
        assert.equal((await within(client.echo({ text: name }), "a response")).text, name);
        spoil(sockets.at(-1)!);
        await untilNoticed(mesh);
      }
      assert.equal((await within(client.echo({ text: "last" }), "a response")).text, "last");
      assert.equal(sockets.length, faults.length + 1);
    });
  }
});
