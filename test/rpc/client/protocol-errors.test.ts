import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { createFetchRpcTransport } from "../../../src/rpc/client/fetch-rpc-transport.ts";
import { serverFaults } from "../../../src/rpc/client/protocol-errors.ts";
import { EchoResponseSchema, EchoService } from "../../gen/test/v1/echo_pb.ts";
import { errorOf, streamOf } from "../echo.ts";

const message = encodeEnvelope(0, toBinary(EchoResponseSchema, create(EchoResponseSchema, { text: "one" })));
const end = (json: string): Uint8Array => encodeEnvelope(2, new TextEncoder().encode(json));

function answering(...parts: readonly Uint8Array[]) {
  const transport = createFetchRpcTransport({
    fetch: async () =>
      new Response(new Blob(parts as Uint8Array<ArrayBuffer>[]), {
        headers: { "content-type": "application/connect+proto" },
      }),
    options: { origin: "https://echo.test", protocol: "connect" },
  });
  return createClient(EchoService, transport.transport);
}

async function read(...parts: readonly Uint8Array[]): Promise<{ texts: string[]; error: ConnectError }> {
  const texts: string[] = [];
  const error = await errorOf(
    (async () => {
      for await (const { text } of answering(...parts).expand({})) texts.push(text);
    })(),
  );
  return { texts, error };
}

describe("a response that breaks Connect's protocol", () => {
  it("is the server's fault when it stops before its end", async () => {
    const { texts, error } = await read(message);
    assert.deepEqual([texts, error.code], [["one"], Code.Internal]);
    assert.match(error.rawMessage, /missing EndStreamResponse/);
  });

  it("is the server's fault when it stops within a message, or within its prefix", async () => {
    for (const length of [message.length - 1, 3]) {
      const { texts, error } = await read(message, message.subarray(0, length));
      assert.deepEqual([texts, error.code], [["one"], Code.Internal]);
      assert.match(error.rawMessage, /incomplete envelope/);
    }
  });

  it("is the server's fault when more follows its end", async () => {
    assert.equal((await read(end("{}"), message)).error.code, Code.Internal);
    assert.equal((await read(end("{}"), end("{}"))).error.code, Code.Internal);
  });

  it("is told from an error that the server states in the same words", async () => {
    const { error } = await read(
      end('{"error": {"code": "invalid_argument", "message": "protocol error: x"}}'),
    );
    assert.deepEqual([error.code, error.rawMessage], [Code.InvalidArgument, "protocol error: x"]);
  });

  it("keeps its metadata and its cause in a unary call, too", async () => {
    const broken = new ConnectError("protocol error: promised 2 bytes, received 1", Code.InvalidArgument, {
      "x-from": "here",
    });
    const fail = (): Promise<never> => Promise.reject(broken);
    const transport = serverFaults({ unary: fail, stream: fail } as Transport);
    const error = await errorOf(createClient(EchoService, transport).echo({}));
    assert.deepEqual([error.code, error.metadata.get("x-from")], [Code.Internal, "here"]);
    assert.equal(error.cause, broken);
  });

  it("ends the reading of a stream that nobody wants any more", async () => {
    let returned = 0;
    const messages = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: {} }),
        return: async () => {
          returned++;
          return { done: true, value: undefined };
        },
      }),
    };
    const transport = serverFaults({
      unary: () => Promise.reject(new Error("not called")),
      stream: async () => ({ message: messages, header: new Headers(), trailer: new Headers() }),
    } as unknown as Transport);
    const { expand } = EchoService.method;
    const response = await transport.stream(expand, undefined, undefined, undefined, streamOf({}));
    for await (const _ of response.message) break;
    assert.equal(returned, 1);
  });
});
