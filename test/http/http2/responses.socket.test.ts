import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { frameType } from "../../../src/http/http2/frame/frame-types.ts";
import { serve, settled, type TestServer } from "../../net/listen/listener-fixture.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { unless } from "../../support/capability.ts";
import { endHeaders, endStream } from "./connection-fixture.ts";
import { RawPeer } from "./http2-peer.ts";

const service = "/datapunk.mesh.test.v1.EchoService";
/** An empty message with its prefix, and one without. */
const enveloped = new Uint8Array(5);
const bare = new Uint8Array(0);

describe("a response over HTTP/2", unless("listen"), () => {
  const cleanup = new Cleanup();
  const perTest = new Cleanup();
  let server: TestServer;

  before(async () => {
    server = await serve(cleanup, (request) => new Response(new URL(request.url).pathname));
  });
  after(() => cleanup.run());
  afterEach(async () => {
    await perTest.run();
    assert.equal(await settled(server), 0);
  });

  const ends: readonly (readonly [what: string, path: string, type: string, body: Uint8Array])[] = [
    ["Connect, unary", `${service}/Echo`, "application/proto", bare],
    ["Connect, unary, in JSON", `${service}/Echo`, "application/json", new TextEncoder().encode("{}")],
    ["Connect, streaming", `${service}/Expand`, "application/connect+proto", enveloped],
    ["gRPC-Web, unary", `${service}/Echo`, "application/grpc-web+proto", enveloped],
    ["gRPC-Web, streaming", `${service}/Expand`, "application/grpc-web+proto", enveloped],
    ["REST", "/text", "text/plain", bare],
  ];
  for (const [what, path, type, body] of ends) {
    it(`ends with DATA, and has no empty block of trailers: ${what}`, async () => {
      const peer = await RawPeer.open(perTest, server.port);
      peer.post(1, path, ["content-type", type]);
      peer.send(frameType.data, endStream, 1, body);
      const frames = await peer.response(1);
      assert.equal(frames.at(-1)?.type, frameType.data);
      assert.deepEqual(
        frames.filter(({ type: of }) => of === frameType.headers).map(({ payload }) => payload.length > 0),
        [true],
      );
    });
  }

  it("to gRPC ends with trailers", async () => {
    const peer = await RawPeer.open(perTest, server.port);
    peer.post(1, `${service}/Echo`, ["content-type", "application/grpc"]);
    peer.send(frameType.data, endStream, 1, enveloped);
    const types = (await peer.response(1)).map(({ type }) => type);
    assert.deepEqual(types, [frameType.headers, frameType.data, frameType.headers]);
  });

  it("to gRPC begins with 100 when the client waits for that, before the body has come", async () => {
    const peer = await RawPeer.open(perTest, server.port);
    peer.post(1, `${service}/Echo`, ["content-type", "application/grpc", "expect", "100-continue"]);
    const { payload, flags } = await peer.next(frameType.headers, 1);
    assert.ok(Buffer.from(payload).includes("100"));
    assert.equal(flags, endHeaders);
    peer.send(frameType.data, endStream, 1, enveloped);
    const types = (await peer.response(1)).map(({ type }) => type);
    assert.deepEqual(types, [frameType.headers, frameType.data, frameType.headers]);
  });
});

describe("the fields of a request over HTTP/2", unless("listen"), () => {
  const cleanup = new Cleanup();
  const perTest = new Cleanup();
  let server: TestServer;

  before(async () => {
    server = await serve(cleanup, () => new Response("plain text"));
  });
  after(() => cleanup.run());
  afterEach(() => perTest.run());

  const limit = 16_384;
  const pseudo = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"];
  const sizeOf = (fields: readonly string[]): number =>
    fields.reduce((sum, text) => sum + text.length, 0) + 16 * fields.length;

  /** Fields that come to a certain size: many small ones, or one that takes what is left. */
  function fieldsOf(size: number, small: number): string[] {
    const fields = Array.from({ length: small }, (_, at) => ["x", String(at % 10)]).flat();
    const left = size - sizeOf([...pseudo, ...fields]) - 33;
    return [...fields, "y", "z".repeat(left)];
  }

  for (const small of [0, 400, 475]) {
    for (const [size, status] of [
      [limit, 200],
      [limit + 1, 431],
    ] as const) {
      it(`get ${status} when ${small + 1} of them come to ${size} bytes`, async () => {
        const fields = fieldsOf(size, small);
        assert.equal(sizeOf([...pseudo, ...fields]), size);
        const peer = await RawPeer.open(perTest, server.port);
        const block = peer.block(fields);
        const parts = Math.ceil(block.length / 16_384);
        for (let part = 0; part < parts; part++) {
          const type = part === 0 ? frameType.headers : frameType.continuation;
          const flags = (part === 0 ? endStream : 0) | (part === parts - 1 ? endHeaders : 0);
          peer.send(type, flags, 1, block.subarray(part * 16_384, (part + 1) * 16_384));
        }
        const { payload } = await peer.next(frameType.headers, 1);
        const told = payload[0] === 0x88 ? 200 : Buffer.from(payload).includes("431") ? 431 : payload;
        assert.equal(told, status);
        peer.get(3);
        await peer.next(frameType.headers, 3);
      });
    }
  }
});
