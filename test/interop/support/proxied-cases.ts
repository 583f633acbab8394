/*
 * Every kind of call, by name, each compared byte for byte with what must come.
 */
import assert from "node:assert/strict";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { RestClient, RestOptions } from "@datapunk/mesh";
import type { TestService } from "../../gen/test/grpc/testing/test_pb.ts";
import { digestOf, events, pattern, tag } from "./proxied-service.ts";

type RestCase = (rest: RestClient, size: number) => Promise<void>;
type RpcCase = (client: Client<typeof TestService>, size: number) => Promise<void>;

function sameBytes(actual: Uint8Array | undefined, expected: Uint8Array, what: string): void {
  assert.equal(actual?.length, expected.length, `the length of ${what}`);
  assert.ok(Buffer.compare(actual!, expected) === 0, `${what} came changed`);
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) {
    yield bytes.subarray(start, start + size);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

const anyStatus: RestOptions = { throwHttpErrors: false };

/** REST, over HTTP/1.1. */
export const restCases: Readonly<Record<string, RestCase>> = {
  async get(rest, size) {
    const response = await rest.get(`bytes/${size}`);
    assert.equal(response.headers.get("content-type"), "application/octet-stream");
    sameBytes(await response.bytes(), pattern(size), "the body");
  },
  async head(rest, size) {
    const response = await rest.head(`bytes/${size}`);
    assert.equal(response.headers.get("content-length"), String(size));
    assert.equal((await response.bytes()).length, 0);
  },
  async "not modified"(rest) {
    const response = await rest.get("tagged", { ...anyStatus, headers: { "if-none-match": tag } });
    assert.equal(response.status, 304);
    assert.equal(response.headers.get("etag"), tag);
    assert.equal((await response.bytes()).length, 0);
    assert.equal(await rest.get("tagged").text(), "the representation");
  },
  async "no content"(rest) {
    const response = await rest.delete("nothing");
    assert.equal(response.status, 204);
    assert.equal((await response.bytes()).length, 0);
  },
  async "not found"(rest) {
    const response = await rest.get("nowhere", anyStatus);
    assert.equal(response.status, 404);
    assert.equal((await response.json<{ status: number }>()).status, 404);
  },
  async "post of JSON"(rest, size) {
    const json = { size, text: "grüße 😈".repeat(1 + (size % 500)), list: [1, 2.5, null, true] };
    assert.deepEqual(await rest.post("echo", { json }).json(), json);
  },
  async "upload of known length"(rest, size) {
    const body = pattern(size);
    assert.deepEqual(await rest.post("digest", { body }).json(), digestOf(body));
  },
  async "streamed upload"(rest, size) {
    const body = pattern(size * 4);
    assert.deepEqual(await rest.post("digest", { body: pieces(body, 7001) }).json(), digestOf(body));
  },
  async "streamed download"(rest, size) {
    const chunks = await Array.fromAsync((await rest.get(`stream/${size * 4}`)).stream());
    sameBytes(Buffer.concat(chunks), pattern(size * 4), "the body");
  },
  async "server-sent events"(rest) {
    const response = await rest.get("events");
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    assert.equal(await response.text(), events.join(""));
  },
};

async function failure(promise: Promise<unknown>): Promise<ConnectError> {
  const error = await promise.then(
    () => assert.fail("the call should have failed"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConnectError, String(error));
  return error;
}

const sizesAround = (size: number): number[] => [size, 0, 1, size >> 1, 5];

/** RPCs, the same for gRPC, gRPC-Web and Connect. */
export const rpcCases: Readonly<Record<string, RpcCase>> = {
  async "empty unary"(client) {
    const { $typeName, ...rest } = await client.emptyCall({});
    assert.deepEqual(rest, {});
  },
  async unary(client, size) {
    const seen: Record<string, string | null> = {};
    const onHeader = (headers: Headers): void => {
      seen.first = headers.get("x-first");
    };
    const onTrailer = (trailers: Headers): void => {
      seen.last = trailers.get("x-last");
    };
    const body = pattern(size, 77);
    const { payload } = await client.unaryCall(
      { payload: { body }, responseSize: size },
      { onHeader, onTrailer },
    );
    sameBytes(payload?.body, pattern(size, body[0] ?? 0), "the message");
    assert.deepEqual(seen, { first: String(body[0] ?? 0), last: String(body.at(-1) ?? 0) });
  },
  async "failing unary"(client) {
    const responseStatus = { code: Code.FailedPrecondition, message: "nicht gültig: 😈" };
    const error = await failure(client.unaryCall({ responseStatus }));
    assert.equal(error.code, Code.FailedPrecondition, error.message);
    assert.equal(error.rawMessage, responseStatus.message);
    assert.equal(error.metadata.get("x-last"), "error");
  },
  async "server stream"(client, size) {
    const sizes = sizesAround(size);
    const responseParameters = sizes.map((each) => ({ size: each }));
    let index = 0;
    for await (const { payload } of client.streamingOutputCall({ responseParameters })) {
      sameBytes(payload?.body, pattern(sizes[index]!, index), `message ${index}`);
      index++;
    }
    assert.equal(index, sizes.length);
  },
  async "empty server stream"(client) {
    assert.deepEqual(await Array.fromAsync(client.streamingOutputCall({})), []);
  },
  async "failing server stream"(client, size) {
    const responseStatus = { code: Code.Aborted, message: "half way" };
    let messages = 0;
    const read = async (): Promise<void> => {
      for await (const _ of client.streamingOutputCall({ responseParameters: [{ size }], responseStatus })) {
        messages++;
      }
    };
    const error = await failure(read());
    assert.equal(error.code, Code.Aborted, error.message);
    assert.equal(messages, 1);
  },
  async "client stream"(client, size) {
    const sizes = sizesAround(size);
    async function* requests() {
      for (const [index, each] of sizes.entries()) yield { payload: { body: pattern(each, index) } };
    }
    const { aggregatedPayloadSize } = await client.streamingInputCall(requests());
    assert.equal(
      aggregatedPayloadSize,
      sizes.reduce((sum, each) => sum + each, 0),
    );
  },
};

/** Messages in both directions; only over HTTP/2. */
export const duplexCases: Readonly<Record<string, RpcCase>> = {
  async "bidirectional stream"(client, size) {
    const sizes = sizesAround(size);
    async function* requests() {
      for (const [index, each] of sizes.entries()) yield { payload: { body: pattern(each, index) } };
    }
    let index = 0;
    for await (const { payload } of client.fullDuplexCall(requests())) {
      sameBytes(payload?.body, pattern(sizes[index]!, index), `message ${index}`);
      index++;
    }
    assert.equal(index, sizes.length);
  },
  async "ping pong"(client, size) {
    let responded: () => void = () => {};
    async function* pings() {
      for (let index = 0; index < 4; index++) {
        const pong = new Promise<void>((resolve) => {
          responded = resolve;
        });
        yield { payload: { body: pattern(size, index) } };
        await pong;
      }
    }
    let index = 0;
    for await (const { payload } of client.fullDuplexCall(pings())) {
      sameBytes(payload?.body, pattern(size, index), `message ${index}`);
      index++;
      responded();
    }
    assert.equal(index, 4);
  },
};
