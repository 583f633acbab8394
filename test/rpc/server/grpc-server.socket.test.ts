import assert from "node:assert/strict";
import { constants } from "node:http2";
import { afterEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { MeshError } from "../../../src/core/errors.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { Cleanup, deferred } from "../client/grpc-checks.ts";
import { request, type ServeOptions, serve, session } from "../client/grpc-fixture.ts";
import { frame, framed } from "../client/grpc-frames.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const path = "/datapunk.mesh.test.v1.EchoService/";

function statusOf(answer: { headers: Record<string, unknown>; trailers: Record<string, unknown> }): unknown {
  return answer.trailers["grpc-status"] ?? answer.headers["grpc-status"];
}

describe("the gRPC server", () => {
  it("responds to what is not gRPC with an HTTP status", async () => {
    const { origin } = await serve(cleanup);
    const http2 = session(cleanup, origin);
    assert.equal((await request(http2, { "content-type": "text/plain" })).headers[":status"], 415);
    const put = await request(http2, { ":method": "PUT" });
    assert.deepEqual([put.headers[":status"], put.headers.allow], [405, "POST"]);
  });

  it("responds to an unknown method with unimplemented, in one header block", async () => {
    const { origin } = await serve(cleanup);
    const answer = await request(session(cleanup, origin), { ":path": `${path}Nothing` });
    assert.equal(answer.headers[":status"], 200);
    assert.equal(answer.headers["grpc-status"], String(Code.Unimplemented));
    assert.deepEqual(answer.trailers, {});
  });

  it("admits and counts a call to what nobody serves like any other", async () => {
    const allowed = await serve(cleanup);
    const unknown = { ":path": "/no.such.Service/Do" };
    const answer = await request(session(cleanup, allowed.origin), unknown);
    assert.equal(statusOf(answer), String(Code.Unimplemented));
    assert.deepEqual(
      allowed.outcomes.map(({ status }) => status),
      ["unimplemented"],
    );
    for (const late of [false, true]) {
      const operations: string[] = [];
      const { origin, outcomes } = await serve(cleanup, {
        check(_call, { operation }) {
          operations.push(operation);
          const refusal = new MeshError("ERR_UNAUTHENTICATED", "who are you?");
          if (late) return Promise.reject(refusal);
          throw refusal;
        },
      });
      const refused = await request(session(cleanup, origin), unknown);
      assert.equal(statusOf(refused), String(Code.Unauthenticated));
      assert.deepEqual([operations, outcomes[0]?.status], [["unknown"], "unauthenticated"]);
    }
  });

  it("admits a call before a byte of its body is read", async () => {
    const options: ServeOptions = {
      check(_call, inbound) {
        assert.equal(inbound.operation, "datapunk.mesh.test.v1.EchoService/Echo");
        assert.equal(inbound.headers.get("x-token"), "wrong");
        throw new MeshError("ERR_UNAUTHENTICATED", "who are you?");
      },
    };
    const { origin, outcomes } = await serve(cleanup, options);
    // The request is never ended: whoever waited for its body would wait for ever.
    const answer = await request(session(cleanup, origin), { "x-token": "wrong" }, frame(), { open: true });
    assert.equal(statusOf(answer), String(Code.Unauthenticated));
    assert.equal(outcomes[0]?.status, "unauthenticated");
    // The client is told to stop sending.
    assert.equal(answer.rstCode, constants.NGHTTP2_NO_ERROR);
  });

  it("waits for an pipeline that takes its time", async () => {
    const checked = deferred();
    const { origin } = await serve(cleanup, { check: () => checked.promise });
    const answer = request(session(cleanup, origin), {});
    checked.resolve();
    assert.equal(statusOf(await answer), "0");
  });

  it("refuses requests that break the protocol, and serves the next one", async () => {
    const gzip = { "grpc-encoding": "gzip" };
    const cases: [string, Record<string, string>, Uint8Array, Code][] = [
      ["a malformed timeout", { "grpc-timeout": "1x" }, frame(), Code.InvalidArgument],
      ["an unknown encoding", { "grpc-encoding": "zip" }, frame(), Code.Unimplemented],
      ["a compressed message without an encoding", {}, frame({}, 1), Code.Internal],
      ["unknown flags", {}, frame({}, 4), Code.Internal],
      ["no message", {}, new Uint8Array(0), Code.Unimplemented],
      ["two messages", {}, new Uint8Array([...frame(), ...frame()]), Code.Unimplemented],
      ["half a message", {}, frame({ text: "long enough" }).subarray(0, 8), Code.InvalidArgument],
      ["half a prefix", {}, new Uint8Array(3), Code.InvalidArgument],
      ["a length of 4 GiB", {}, framed(new Uint8Array(3), 0, 0xffffffff), Code.ResourceExhausted],
      ["no protobuf", {}, framed(new Uint8Array([255, 255]), 0), Code.Internal],
      ["broken compression", gzip, framed(new Uint8Array(20), 1), Code.InvalidArgument],
      ["a bomb", gzip, framed(gzipSync(new Uint8Array(8 * 1024 * 1024)), 1), Code.ResourceExhausted],
    ];
    const { origin } = await serve(cleanup);
    const http2 = session(cleanup, origin);
    for (const [what, headers, body, code] of cases) {
      const answer = await request(http2, headers, body);
      assert.equal(answer.headers[":status"], 200, what);
      assert.equal(statusOf(answer), String(code), what);
    }
    assert.equal(statusOf(await request(http2, {})), "0");
  });

  it("names the encodings it knows when it is sent another", async () => {
    const { origin } = await serve(cleanup);
    const answer = await request(session(cleanup, origin), { "grpc-encoding": "snappy" });
    assert.equal(
      answer.headers["grpc-accept-encoding"] ?? answer.trailers["grpc-accept-encoding"],
      "gzip,br",
    );
  });

  it("reads and writes the encodings that it was given, and no others", async () => {
    const flipped = async (bytes: Uint8Array) => Uint8Array.from(bytes, (byte) => byte ^ 255);
    const flip = { name: "flip", compress: flipped, decompress: flipped };
    const { origin } = await serve(cleanup, { acceptCompression: [flip], responseCompression: "accepted" });
    const http2 = session(cleanup, origin);
    const message = frame({ payload: new Uint8Array(5000) }).subarray(5);
    const encoded = framed(await flipped(message), 1);
    const fields = { "grpc-encoding": "flip", "grpc-accept-encoding": "gzip,flip" };
    const answer = await request(http2, fields, encoded);
    assert.equal(answer.headers["grpc-encoding"], "flip");
    assert.deepEqual(new Uint8Array(answer.body), encoded);
    const refused = await request(http2, { "grpc-encoding": "gzip" }, framed(gzipSync(message), 1));
    assert.deepEqual([statusOf(refused), refused.headers["grpc-accept-encoding"]], ["12", "flip"]);
    const none = await serve(cleanup, { acceptCompression: [] });
    const plain = await request(session(cleanup, none.origin), { "grpc-encoding": "gzip" });
    assert.deepEqual([statusOf(plain), plain.headers["grpc-accept-encoding"]], ["12", "identity"]);
  });

  it("compresses a response only for a client that says it can read it", async () => {
    const { origin } = await serve(cleanup);
    const http2 = session(cleanup, origin);
    const body = framed(gzipSync(frame({ payload: new Uint8Array(5000) }).subarray(5)), 1);
    const gzip = { "grpc-encoding": "gzip" };
    const both = await request(http2, { ...gzip, "grpc-accept-encoding": "identity,gzip" }, body);
    assert.deepEqual([both.headers["grpc-encoding"], both.body[0]], ["gzip", 1]);
    const one = await request(http2, { ...gzip, "grpc-accept-encoding": "identity" }, body);
    assert.deepEqual([one.headers["grpc-encoding"], one.body[0]], [undefined, 0]);
  });

  it("compresses every response that the client accepts compressed, where that is asked for", async () => {
    const { origin } = await serve(cleanup, { responseCompression: "accepted" });
    const http2 = session(cleanup, origin);
    const body = frame({ payload: new Uint8Array(5000) });
    const read = await request(http2, { "grpc-accept-encoding": "identity, snappy, br, gzip" }, body);
    assert.deepEqual([read.headers["grpc-encoding"], read.body[0]], ["br", 1]);
    const unread = await request(http2, {}, body);
    assert.deepEqual([unread.headers["grpc-encoding"], unread.body[0]], [undefined, 0]);
  });

  it("reads messages however they are cut into pieces", async () => {
    const { origin } = await serve(cleanup);
    const stream = session(cleanup, origin).request({
      ":method": "POST",
      ":path": `${path}Collect`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const status = new Promise((resolve) => stream.on("trailers", (block) => resolve(block["grpc-status"])));
    const body: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => body.push(chunk));
    const bytes = new Uint8Array([
      ...frame({ text: "a" }),
      ...frame({ text: "bc" }),
      ...frame({ text: "d" }),
    ]);
    for (const byte of bytes) {
      await new Promise((resolve) => stream.write(new Uint8Array([byte]), resolve));
    }
    stream.end();
    assert.equal(await status, "0");
    assert.match(Buffer.concat(body).toString("latin1"), /a,bc,d/);
  });

  it("hands a call's remaining time and its cancellation to the handler, and ends it once", async () => {
    const started = deferred<AbortSignal>();
    const { origin, outcomes } = await serve(cleanup, {
      service: {
        async *expand(_request, context) {
          started.resolve(context.signal);
          await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
          yield { text: "too late" };
        },
      },
    });
    const stream = session(cleanup, origin).request({
      ":method": "POST",
      ":path": `${path}Expand`,
      "content-type": "application/grpc",
      "grpc-timeout": "20S",
    });
    stream.on("error", () => {});
    stream.end(frame());
    const signal = await started.promise;
    const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
    stream.close(constants.NGHTTP2_CANCEL);
    await aborted;
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["cancelled"],
    );
  });

  it("tells a handler what is left of the time that the server grants, by the mesh's clock", async () => {
    const clock = new VirtualClock();
    const told: (number | undefined)[] = [];
    const { origin } = await serve(cleanup, {
      clock,
      maxTimeoutMs: 5_000,
      service: {
        async echo(_request, context) {
          told.push(context.timeoutMs());
          await clock.advance(1_000);
          told.push(context.timeoutMs());
          return {};
        },
      },
    });
    const http2 = session(cleanup, origin);
    for (const headers of [{ "grpc-timeout": "3S" }, { "grpc-timeout": "20S" }, {}]) {
      assert.equal(statusOf(await request(http2, headers)), "0");
    }
    assert.deepEqual(told, [3_000, 2_000, 5_000, 4_000, 5_000, 4_000]);
  });

  it("survives a client that resets its calls as fast as it makes them", async () => {
    const { origin, outcomes } = await serve(cleanup);
    const http2 = session(cleanup, origin);
    const closed: Promise<unknown>[] = [];
    for (let i = 0; i < 200; i++) {
      const stream = http2.request({
        ":method": "POST",
        ":path": `${path}Echo`,
        "content-type": "application/grpc",
      });
      stream.on("error", () => {});
      closed.push(new Promise((resolve) => stream.on("close", resolve)));
      stream.write(frame());
      stream.close(constants.NGHTTP2_CANCEL);
    }
    await Promise.all(closed);
    assert.equal(statusOf(await request(session(cleanup, origin), {})), "0");
    assert.ok(outcomes.every(({ status }) => status === "cancelled" || status === "ok"));
  });
});
