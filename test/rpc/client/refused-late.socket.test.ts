import assert from "node:assert/strict";
import { createServer } from "node:net";
import { afterEach, describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { staticResolver } from "../../../src/discovery/static-resolver.ts";
import { h2 } from "../../../src/http/http2/frame/frame-types.ts";
import type { Http2Stream } from "../../../src/http/http2/streams/stream.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import { connectionOver } from "../../../src/net/socket-transport.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
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

const contentType = {
  grpc: "application/grpc+proto",
  "grpc-web": "application/grpc-web+proto",
  connect: "application/proto",
} as const;

/** Refuses every stream once its request is complete; what comes first is up to `before`. */
async function refusing(
  cleanup: Cleanup,
  before: (stream: Http2Stream) => void,
): Promise<{ readonly origin: string; readonly sentRequest: () => number }> {
  let sentRequest = 0;
  const onStream = (stream: Http2Stream): void => {
    sentRequest++;
    stream.handler = {
      onHeaders() {},
      onData() {},
      onTrailers() {},
      onEnd() {
        before(stream);
        stream.close(h2.refusedStream);
      },
      onDrain() {},
      onClose() {},
    };
  };
  const server = createServer((socket) => {
    connectionOver(socket, { ...nothing, onStream }, options);
  });
  return { origin: await listenOn(cleanup, server), sentRequest: () => sentRequest };
}

describe("a call that is refused", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  for (const protocol of ["grpc", "grpc-web", "connect"] as const) {
    const firsts: readonly (readonly [
      what: string,
      attempts: "one" | "many",
      (stream: Http2Stream) => void,
    ])[] = [
      ["before anything came back is repeated", "many", () => {}],
      [
        "behind the headers of a response is not repeated, when it may have changed something",
        "one",
        (stream) => stream.respond([":status", "200", "content-type", contentType[protocol]], false),
      ],
      ["behind a word to go on is not repeated either", "one", (stream) => stream.continue()],
    ];
    for (const [what, attempts, before] of firsts) {
      it(`${what}, by ${protocol}`, async () => {
        const server = await refusing(cleanup, before);
        const mesh = createMesh({
          service: "caller",
          resolver: staticResolver({ echo: [server.origin] }),
        });
        cleanup.add(() => mesh.close());
        const echo = createClient(EchoService, mesh.transport("echo", { protocol, httpVersion: "2" }));
        await assert.rejects(within(echo.echo({ text: "once" }), "a response"), (error) => {
          assert.equal(ConnectError.from(error).code, Code.Unavailable);
          return true;
        });
        assert.equal(server.sentRequest() > 1, attempts === "many", `${server.sentRequest()} requests`);
      });
    }
  }
});
