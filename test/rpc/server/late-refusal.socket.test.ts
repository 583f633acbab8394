import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MeshError } from "../../../src/core/errors.ts";
import { createDispatcher } from "../../../src/rpc/server/create-dispatcher.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import {
  http1,
  http2,
  openHttp2,
  serve,
  settled,
  type TestServer,
} from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { type StrayFailures, watchStrayFailures } from "../../support/stray-failures.ts";
import { Cleanup } from "../client/grpc-checks.ts";
import { type RawAnswer, request } from "../client/grpc-fixture.ts";
import { frame } from "../client/grpc-frames.ts";
import { echoRoutes, OpenPipeline } from "../echo.ts";
import { until } from "../socket-fixture.ts";

const echo = `/${EchoService.typeName}/Echo`;
const expand = `/${EchoService.typeName}/Expand`;
const unknown = "/nobody.v1.Nothing/Serves";

/** A request whose own form is wrong, or one for what nobody serves. */
interface Malformed {
  readonly what: string;
  readonly path?: string;
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array;
}

const grpc = { "content-type": "application/grpc+proto" };
const web = { "content-type": "application/grpc-web+proto" };
const unary = { "content-type": "application/proto" };
const stream = { "content-type": "application/connect+proto" };

const overGrpc: readonly Malformed[] = [
  { what: "a malformed grpc-timeout", headers: { ...grpc, "grpc-timeout": "soon" } },
  { what: "an unknown grpc-encoding", headers: { ...grpc, "grpc-encoding": "zip" } },
  { what: "a path that nobody serves", path: unknown, headers: grpc },
  { what: "a method that is not served over gRPC", path: expand, headers: grpc },
  { what: "a format that nobody serves", headers: { "content-type": "application/grpc+json" } },
  { what: "a message over the limit", headers: grpc, body: new Uint8Array([0, 255, 255, 255, 255]) },
  { what: "half a message", headers: grpc, body: new Uint8Array([0, 0]) },
  { what: "no message", headers: grpc, body: new Uint8Array() },
  { what: "a method in order", headers: grpc },
];
const overGrpcWeb: readonly Malformed[] = [
  { what: "a malformed grpc-timeout", headers: { ...web, "grpc-timeout": "soon" } },
  { what: "an unknown grpc-encoding", headers: { ...web, "grpc-encoding": "zip" } },
  { what: "a path that nobody serves", path: unknown, headers: web },
  { what: "a format that nobody serves", headers: { "content-type": "application/grpc-web+thrift" } },
  { what: "a message over the limit", headers: web, body: new Uint8Array([0, 255, 255, 255, 255]) },
];
const overConnect: readonly Malformed[] = [
  { what: "a malformed timeout", headers: { ...unary, "connect-timeout-ms": "soon" } },
  { what: "an unknown encoding", headers: { ...unary, "content-encoding": "zip" } },
  { what: "a format that nobody serves", headers: { "content-type": "text/plain" } },
  { what: "a version that nobody speaks", headers: { ...unary, "connect-protocol-version": "99" } },
  { what: "a body that is no message", headers: unary, body: new Uint8Array([255, 255]) },
];
const overConnectStreams: readonly Malformed[] = [
  { what: "a malformed timeout", path: expand, headers: { ...stream, "connect-timeout-ms": "soon" } },
  { what: "an unknown encoding", path: expand, headers: { ...stream, "connect-content-encoding": "zip" } },
  { what: "a path that nobody serves", path: unknown, headers: stream },
  { what: "a unary method as a stream", headers: stream },
];

/** Refuses everybody, but not at once. */
function rejectLater(): Promise<never> {
  return new Promise((_, reject) => {
    setImmediate(() => reject(new MeshError("ERR_PERMISSION_DENIED", "not you")));
  });
}

describe("An pipeline that refuses late", unless("listen"), () => {
  const cleanup = new Cleanup();
  let stray: StrayFailures;
  beforeEach(() => {
    stray = watchStrayFailures();
  });
  afterEach(async () => {
    await cleanup.run();
    stray.stop();
  });

  async function refusing(): Promise<{ readonly server: TestServer; readonly pipeline: OpenPipeline }> {
    const pipeline = new OpenPipeline();
    pipeline.check = rejectLater;
    const rpc = createDispatcher({
      pipeline,
      routes(router) {
        echoRoutes(router);
        router.rpc(EchoService.method.expand, async function* () {}, { grpc: false });
      },
    });
    return {
      server: await serve(cleanup, () => new Response("not an RPC", { status: 404 }), { rpc }),
      pipeline,
    };
  }

  async function finished(server: TestServer, pipeline: OpenPipeline): Promise<void> {
    assert.equal(await settled(server), 0);
    assert.deepEqual(
      pipeline.outcomes.map((outcome) => outcome?.status),
      ["permission_denied"],
    );
    // A rejection without a handler is told in the turn after.
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(stray.seen, []);
  }

  async function ask(server: TestServer, { path = echo, headers, body }: Malformed): Promise<RawAnswer> {
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    return request(session, { ":path": path, ...headers }, body ?? frame());
  }

  for (const each of overGrpc) {
    it(`says so by gRPC to ${each.what}, and no more`, async () => {
      const { server, pipeline } = await refusing();
      const { headers, trailers } = await ask(server, each);
      const status = { ...headers, ...trailers };
      assert.deepEqual([headers[":status"], status["grpc-status"]], [200, "7"]);
      assert.equal(status["grpc-message"], "not you");
      await finished(server, pipeline);
    });
  }

  for (const each of overGrpcWeb) {
    it(`says so by gRPC-Web to ${each.what}, and no more`, async () => {
      const { server, pipeline } = await refusing();
      const { headers } = await ask(server, each);
      assert.deepEqual([headers[":status"], headers["grpc-status"]], [200, "7"]);
      await finished(server, pipeline);
    });
  }

  for (const each of overConnect) {
    it(`says so by Connect to ${each.what}, and no more`, async () => {
      const { server, pipeline } = await refusing();
      const { headers, body } = await ask(server, each);
      assert.equal(headers[":status"], 403);
      assert.equal(JSON.parse(new TextDecoder().decode(body)).code, "permission_denied");
      await finished(server, pipeline);
    });
  }

  for (const each of overConnectStreams) {
    it(`says so by Connect's streams to ${each.what}, and no more`, async () => {
      const { server, pipeline } = await refusing();
      const { headers, body } = await ask(server, each);
      assert.equal(headers[":status"], 200);
      assert.equal(JSON.parse(new TextDecoder().decode(body.slice(5))).error.code, "permission_denied");
      await finished(server, pipeline);
    });
  }

  for (const [what, path] of [
    ["a method that is served", echo],
    ["one that is not", unknown],
  ] as const) {
    it(`has no part in the 505 that native gRPC over HTTP/1.1 gets for ${what}`, async () => {
      const { server, pipeline } = await refusing();
      const { status } = await http1(server.port, { method: "POST", path, headers: grpc, body: "" });
      assert.equal(status, 505);
      assert.equal(await settled(server), 0);
      assert.deepEqual([pipeline.outcomes.length, stray.seen.length], [1, 0]);
      assert.notEqual(pipeline.outcomes[0], undefined);
    });
  }

  it("has no part in the 405 that a GET with gRPC's content type gets", async () => {
    const { server } = await refusing();
    const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
    const { status } = await http2(session, { ":method": "GET", ":path": echo, ...grpc });
    assert.equal(status, 405);
    assert.equal(await settled(server), 0);
    assert.deepEqual(stray.seen, []);
  });

  for (const each of [...overGrpc, ...overGrpcWeb, ...overConnect, ...overConnectStreams]) {
    const type = each.headers["content-type"];
    it(`is nobody's failure when the client of ${each.what} (${type}) has left before`, async () => {
      const { server, pipeline } = await refusing();
      const waiting = Promise.withResolvers<void>();
      const refuse = Promise.withResolvers<void>();
      pipeline.check = async () => {
        waiting.resolve();
        await refuse.promise;
        throw new MeshError("ERR_PERMISSION_DENIED", "not you");
      };
      const session = openHttp2(cleanup, `http://127.0.0.1:${server.port}`);
      const { path = echo, headers, body = frame() } = each;
      const left = session.request({ ":method": "POST", ":path": path, te: "trailers", ...headers });
      left.on("error", () => {});
      left.end(body);
      await waiting.promise;
      left.close(8);
      await until(() => pipeline.outcomes[0] !== undefined, "the end of the call");
      refuse.resolve();
      pipeline.check = () => {};
      assert.equal(await settled(server), 0);
      const next = await request(session, grpc);
      assert.equal(next.trailers["grpc-status"], "0");
      assert.deepEqual([pipeline.outcomes[0]?.status, stray.seen], ["cancelled", []]);
    });
  }
});
