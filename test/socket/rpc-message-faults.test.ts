import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createMesh, staticDiscovery } from "../../mod.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { all, echoRoutes } from "../rpc/echo.ts";
import { unless } from "../support/capability.ts";
import { Cleanup, failure } from "./grpc-wire-checks.ts";
import { request, serveRaw, session } from "./grpc-wire-fixture.ts";
import { answerFrame, concat, frame, framed } from "./grpc-wire-frames.ts";
import { within } from "./listener-fixture.ts";

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Messages that break the rules, and what they come to. */
const faults = [
  {
    name: "a length of 4 GiB",
    message: framed(new Uint8Array(3), 0, 0xffffffff),
    code: Code.ResourceExhausted,
    connectCode: "resource_exhausted",
  },
  {
    name: "a compressed message without an encoding",
    message: framed(answerFrame("well").subarray(5), 1),
    code: Code.Internal,
    connectCode: "internal",
  },
] as const;

/** The dialects, and how each of them ends a stream. */
const dialects = [
  {
    protocol: "grpc",
    type: "application/grpc+proto",
    last: undefined,
    wellEnded: /^grpc-status: 0$/,
    endedBy: ({ code }: (typeof faults)[number]) => new RegExp(`^grpc-status: ${code}$`),
  },
  {
    protocol: "grpc-web",
    type: "application/grpc-web+proto",
    last: framed(ascii("grpc-status: 0\r\n"), 0x80),
    wellEnded: /grpc-status: ?0\b/,
    endedBy: ({ code }: (typeof faults)[number]) => new RegExp(`grpc-status: ?${code}\\b`),
  },
  {
    protocol: "connect",
    type: "application/connect+proto",
    last: framed(ascii("{}"), 2),
    wellEnded: /\{[^"]*("metadata":[^}]*\})?\}$/,
    endedBy: ({ connectCode }: (typeof faults)[number]) => new RegExp(`"code":"${connectCode}"`),
  },
] as const;

for (const { protocol, type, last, wellEnded, endedBy } of dialects) {
  describe(
    `a stream by ${protocol} with a message that breaks the rules`,
    unless("listen", "grpcClient"),
    () => {
      const cleanup = new Cleanup();
      afterEach(() => cleanup.run());

      it("is refused by the server, which serves the next one on the same connection", async () => {
        const server = await createMesh({ service: "echo" }).serve({
          port: 0,
          hostname: "127.0.0.1",
          routes: echoRoutes,
        });
        cleanup.add(() => server.close({ force: true }));
        const http2 = session(cleanup, server.url);
        const call = async (body: Uint8Array): Promise<string> => {
          const path = "/datapunk.mesh.test.v1.EchoService/Expand";
          const headers = { ":path": path, "content-type": type };
          const answer = await within(request(http2, headers, body), "an answer");
          assert.equal(answer.headers[":status"], 200);
          const status = answer.trailers["grpc-status"] ?? answer.headers["grpc-status"];
          return status === undefined ? new TextDecoder().decode(answer.body) : `grpc-status: ${status}`;
        };
        for (const fault of faults) {
          assert.match(await call(fault.message), endedBy(fault), fault.name);
          assert.match(await call(frame({ count: 1 })), wellEnded, `after ${fault.name}`);
        }
        assert.equal(http2.closed, false);
      });

      it("is the server's fault to the client, whose next one works on the same connection", async () => {
        const connections = new Set<unknown>();
        const origin = await serveRaw(cleanup, (stream, index) => {
          connections.add(stream.session);
          const fault = index % 2 === 0 ? faults[index / 2] : undefined;
          stream.respond({ ":status": 200, "content-type": type }, { waitForTrailers: last === undefined });
          stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
          stream.end(concat(fault?.message ?? answerFrame("well"), last ?? new Uint8Array(0)));
        });
        const mesh = createMesh({
          service: "caller",
          discovery: staticDiscovery({ echo: [origin] }),
          policies: { "*": { retry: false } },
        });
        cleanup.add(() => mesh.close());
        const client = createClient(EchoService, mesh.transport("echo", { protocol, httpVersion: "2" }));
        for (const { name, code } of faults) {
          const error = await failure(within(all(client.expand({})), name));
          assert.equal(error.code, code, `${name}: ${error.message}`);
          const texts = (await within(all(client.expand({})), "an answer")).map(({ text }) => text);
          assert.deepEqual(texts, ["well"], `after ${name}`);
        }
        assert.equal(connections.size, 1);
      });
    },
  );
}
