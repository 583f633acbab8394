import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { createMesh, staticResolver } from "../../../mod.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { all } from "../echo.ts";
import { serveMesh } from "../socket-fixture.ts";
import { Cleanup, failure } from "./grpc-checks.ts";
import { type RawAnswer, request, serveRaw, session } from "./grpc-fixture.ts";
import { answerFrame, concat, frame, framed } from "./grpc-frames.ts";

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Messages that break the rules, and what they come to. */
const faults: { readonly name: string; readonly message: Uint8Array; readonly code: Code }[] = [
  {
    name: "a length of 4 GiB",
    message: framed(new Uint8Array(3), 0, 0xffffffff),
    code: Code.ResourceExhausted,
  },
  {
    name: "a compressed message without an encoding",
    message: framed(answerFrame("well").subarray(5), 1),
    code: Code.Internal,
  },
];

/** The code of a response that ends with Connect's last message; undefined for none. */
function connectCodeOf({ body }: RawAnswer): Code | undefined {
  const view = new DataView(body.buffer, body.byteOffset);
  let at = 0;
  while (view.getUint8(at) !== 2) at += 5 + view.getUint32(at + 1);
  const { error } = JSON.parse(new TextDecoder().decode(body.subarray(at + 5)));
  return error && codeFromString(error.code);
}

/** The code of a `grpc-status`; undefined for zero. */
function grpcCode(status: unknown): Code | undefined {
  assert.match(String(status), /^\d+$/);
  return Number(status) || undefined;
}

/** The dialects: how each of them ends a stream, and says how it ended. */
const dialects = [
  {
    protocol: "grpc",
    type: "application/grpc+proto",
    last: undefined,
    codeOf: ({ headers, trailers }: RawAnswer) => grpcCode(trailers["grpc-status"] ?? headers["grpc-status"]),
  },
  {
    protocol: "grpc-web",
    type: "application/grpc-web+proto",
    last: framed(ascii("grpc-status: 0\r\n"), 0x80),
    codeOf: ({ headers, body }: RawAnswer) =>
      grpcCode(headers["grpc-status"] ?? /grpc-status: ?(\d+)/.exec(new TextDecoder().decode(body))?.[1]),
  },
  {
    protocol: "connect",
    type: "application/connect+proto",
    last: framed(ascii("{}"), 2),
    codeOf: connectCodeOf,
  },
] as const;

for (const { protocol, type, last, codeOf } of dialects) {
  describe(
    `a stream by ${protocol} with a message that breaks the rules`,
    unless("listen", "grpcClient"),
    () => {
      const cleanup = new Cleanup();
      afterEach(() => cleanup.run());

      it("is refused by the server, which serves the next one on the same connection", async () => {
        const server = await serveMesh(cleanup);
        const http2 = session(cleanup, server.url);
        const call = async (body: Uint8Array): Promise<Code | undefined> => {
          const path = "/datapunk.mesh.test.v1.EchoService/Expand";
          const headers = { ":path": path, "content-type": type };
          const answer = await within(request(http2, headers, body), "a response");
          assert.equal(answer.headers[":status"], 200);
          return codeOf(answer);
        };
        for (const { name, message, code } of faults) {
          assert.equal(await call(message), code, name);
          assert.equal(await call(frame({ count: 1 })), undefined, `after ${name}`);
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
          resolver: staticResolver({ echo: [origin] }),
          policies: { "*": { retry: false } },
        });
        cleanup.add(() => mesh.close());
        const client = createClient(EchoService, mesh.transport("echo", { protocol, httpVersion: "2" }));
        for (const { name, code } of faults) {
          const error = await failure(within(all(client.expand({})), name));
          assert.equal(error.code, code, `${name}: ${error.message}`);
          const texts = (await within(all(client.expand({})), "a response")).map(({ text }) => text);
          assert.deepEqual(texts, ["well"], `after ${name}`);
        }
        assert.equal(connections.size, 1);
      });
    },
  );
}
