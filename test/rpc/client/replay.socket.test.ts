import assert from "node:assert/strict";
import { createServer } from "node:net";
import { afterEach, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { h2 } from "../../../src/http/http2/frame/frame-types.ts";
import type { Http2Stream } from "../../../src/http/http2/streams/stream.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import { connectionOver } from "../../../src/net/socket-transport.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { ChangingResolver } from "../../support/changing-resolver.ts";
import { all, streamOf } from "../echo.ts";
import { serveMesh } from "../socket-fixture.ts";
import { Cleanup } from "./grpc-checks.ts";
import { listenOn } from "./grpc-fixture.ts";

const options = {
  role: "server",
  maxStreams: 100,
  maxHeaderListBytes: 16_384,
  streamWindowBytes: 65_535,
  connectionWindowBytes: 1024 * 1024,
  settingsTimeoutMs: 10_000,
} as const;
const nothing = { onStreamClose() {}, onSettings() {}, onError() {}, onGoaway() {}, onClose() {} };

/** Refuses a stream when the first bytes of its body arrive. */
function refuse(stream: Http2Stream, told: () => void): void {
  stream.handler = {
    onHeaders() {},
    onData() {
      told();
      stream.close(h2.refusedStream);
    },
    onTrailers() {},
    onEnd() {},
    onDrain() {},
    onClose() {},
  };
}

describe("a call that streams to a server that refuses it", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  for (const protocol of ["grpc", "connect", "grpc-web"] as const) {
    it(`reaches another one with all that it has sent, by ${protocol}`, async () => {
      let refused = 0;
      const resolver = new ChangingResolver("echo");
      const onRefused = (): void => {
        refused++;
        resolver.set(serving);
      };
      const refusing = await listenOn(
        cleanup,
        createServer((socket) => {
          connectionOver(socket, { ...nothing, onStream: (stream) => refuse(stream, onRefused) }, options);
        }),
      );
      const server = await serveMesh(cleanup, (router) =>
        router.service(EchoService, {
          collect: async (requests) => ({
            text: (await all(requests)).map(({ text }) => text).join(" "),
          }),
          async *chat(requests) {
            for await (const { text } of requests) yield { text };
          },
        }),
      );
      const serving = `http://127.0.0.1:${server.port}`;
      // The first attempt finds only the one, the next one only the other.
      const mesh = createMesh({ service: "caller", resolver });
      cleanup.add(() => mesh.close());
      const echo = createClient(EchoService, mesh.transport("echo", { protocol, httpVersion: "2" }));
      const words = ["all", "that", "was", "said"].map((text) => ({ text }));
      const calls = {
        collect: async () => [(await echo.collect(streamOf(...words))).text],
        chat: async () => (await all(echo.chat(streamOf(...words)))).map(({ text }) => text),
      };
      for (const kind of ["collect", "chat"] as const) {
        refused = 0;
        resolver.set(refusing);
        assert.equal((await within(calls[kind](), "a response")).join(" "), "all that was said");
        assert.equal(refused, 1);
      }
    });
  }
});
