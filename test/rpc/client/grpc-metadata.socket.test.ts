import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { ClientConfig, requestHeaders } from "../../../src/rpc/client/grpc-client-options.ts";
import type { RpcConnectionPool } from "../../../src/rpc/client/rpc-connection.ts";
import { EchoRequestSchema, EchoResponseSchema, EchoService } from "../../gen/test/v1/echo_pb.ts";
import { all, Cleanup, failure } from "./grpc-checks.ts";
import { open, request, serve, serveRaw, session } from "./grpc-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** The binary values of a field, as bytes. */
function binaryValues(headers: Headers | undefined, name: string): number[][] {
  return (headers?.get(name) ?? "").split(",").map((value) => [...decodeBinaryHeader(value.trim())]);
}

/** Nothing is sent. */
const noConnections: RpcConnectionPool = {
  take() {
    throw new Error("no call is made here");
  },
  state: { sessions: 0, streams: 0, waiting: 0 },
  async close() {},
};

describe("the metadata of gRPC calls", () => {
  it("carries metadata both ways: repeated keys, binary values, headers and trailers", async () => {
    let seen: Headers | undefined;
    const { origin } = await serve(cleanup, {
      service: {
        echo(request, context) {
          seen = context.requestHeader;
          context.responseHeader.append("x-many", "1");
          context.responseHeader.append("x-many", "2");
          context.responseTrailer.set("x-end-bin", "AAEC");
          return { text: request.text };
        },
      },
    });
    const { client } = open(cleanup, origin);
    const headers = new Headers([
      ["x-twice", "a"],
      ["x-twice", "b"],
      ["x-raw-bin", "_w"],
      ["user-agent", "tester"],
    ]);
    let header: Headers | undefined;
    let trailer: Headers | undefined;
    await client.echo(
      { text: "" },
      {
        headers,
        onHeader: (value) => {
          header = value;
        },
        onTrailer: (value) => {
          trailer = value;
        },
      },
    );
    assert.equal(seen?.get("x-twice"), "a, b");
    assert.equal(seen?.get("x-raw-bin"), "_w");
    assert.equal(seen?.get("user-agent"), "tester");
    assert.equal(header?.get("x-many"), "1, 2");
    assert.equal(trailer?.get("x-end-bin"), "AAEC");
    // A copy made natively must see them too, whatever the runtime does behind the constructor.
    assert.equal(new Headers(header).get("x-many"), "1, 2");
  });

  it("carries several binary values under one name, both ways, padded or not", async () => {
    const values = [[0, 1, 2], [3, 4], [], [255]];
    const seen: (Headers | undefined)[] = [];
    function append(target: Headers | undefined, name: string): void {
      for (const value of values) target?.append(name, encodeBinaryHeader(new Uint8Array(value)));
    }
    const { origin } = await serve(cleanup, {
      service: {
        echo(request, context) {
          seen.push(context.requestHeader);
          append(context.responseHeader, "x-head-bin");
          append(context.responseTrailer, "x-end-bin");
          if (request.text === "fail") {
            const error = new ConnectError("failed", Code.Aborted);
            append(error.metadata, "x-why-bin");
            throw error;
          }
          return { text: request.text };
        },
      },
    });
    const { client } = open(cleanup, origin);
    const headers = new Headers({ "x-padded-bin": "AwQ=, /w==" });
    append(headers, "x-sent-bin");
    await client.echo(
      { text: "" },
      {
        headers,
        onHeader: (header) => seen.push(header),
        onTrailer: (trailer) => seen.push(trailer),
      },
    );
    assert.deepEqual(binaryValues(seen[0], "x-padded-bin"), [[3, 4], [255]]);
    assert.deepEqual(binaryValues(seen[0], "x-sent-bin"), values);
    assert.deepEqual(binaryValues(seen[1], "x-head-bin"), values);
    assert.deepEqual(binaryValues(seen[2], "x-end-bin"), values);
    const error = await failure(client.echo({ text: "fail" }));
    for (const name of ["x-head-bin", "x-end-bin", "x-why-bin"]) {
      assert.deepEqual(binaryValues(error.metadata, name), values, name);
    }
  });

  it("puts every binary value of a request into a field of its own", () => {
    const config = new ClientConfig(
      {
        origin: "http://localhost",
        protocol: "grpc",
        tls: undefined,
        useBinaryFormat: true,
        maxConnectionsPerEndpoint: 1,
        maxMessageBytes: 1,
      },
      noConnections,
    );
    const plan = config.planOf(EchoService.method.echo);
    const metadata = new Headers([
      ["x-some-bin", "AAEC"],
      ["x-some-bin", "AwQF"],
      ["x-text", "a"],
      ["x-text", "b"],
    ]);
    const fields = requestHeaders(plan, undefined, metadata).slice(plan.headers.length);
    assert.deepEqual(fields.slice(0, 6), ["x-some-bin", "AAEC", "x-some-bin", "AwQF", "x-text", "a, b"]);
  });

  it("carries errors with their message, details and metadata", async () => {
    const { origin, outcomes } = await serve(cleanup, {
      service: {
        echo() {
          const error = new ConnectError("nö 100 % \n", Code.FailedPrecondition, { "x-why": "because" });
          error.details.push({ desc: EchoRequestSchema, value: { text: "detail" } });
          throw error;
        },
      },
    });
    const { client } = open(cleanup, origin);
    const error = await failure(client.echo({ text: "" }));
    assert.equal(error.code, Code.FailedPrecondition);
    assert.equal(error.rawMessage, "nö 100 % \n");
    assert.equal(error.metadata.get("x-why"), "because");
    assert.equal(error.findDetails(EchoRequestSchema)[0]?.text, "detail");
    assert.equal(outcomes[0]?.status, "failed_precondition");
  });

  it("carries several details of an error, of different types, one of which nobody knows", async () => {
    const unknown = { type: "test.of.nobody.Known", value: new Uint8Array([8, 150, 1]) };
    const { origin } = await serve(cleanup, {
      service: {
        echo(request) {
          const error = new ConnectError("three reasons", Code.FailedPrecondition);
          error.details.push({ desc: EchoRequestSchema, value: { text: request.text } });
          error.details.push(unknown);
          error.details.push({ desc: EchoResponseSchema, value: { text: "b", index: 7 } });
          throw error;
        },
        async *expand(request) {
          yield { text: "first" };
          // What arrived from one server goes on to the next client only where a handler says so itself.
          const arrived = await failure(inner.client.echo({ text: request.text }));
          const own = new ConnectError(arrived.rawMessage, arrived.code);
          own.details = arrived.details;
          throw own;
        },
      },
    });
    const inner = open(cleanup, origin);
    const { client } = open(cleanup, origin);
    const errors = [
      await failure(client.echo({ text: "a" })),
      await failure(all(client.expand({ text: "a" }))),
    ];
    for (const error of errors) {
      assert.deepEqual([error.code, error.rawMessage], [Code.FailedPrecondition, "three reasons"]);
      assert.deepEqual(
        error.findDetails(EchoRequestSchema).map(({ text }) => text),
        ["a"],
      );
      assert.deepEqual(
        error.findDetails(EchoResponseSchema).map(({ text, index }) => [text, index]),
        [["b", 7]],
      );
      const seen = error.details.map((detail) =>
        "type" in detail ? [detail.type, [...detail.value]] : assert.fail("a detail that was not sent"),
      );
      const text = create(EchoRequestSchema, { text: "a" });
      const both = create(EchoResponseSchema, { text: "b", index: 7 });
      assert.deepEqual(seen, [
        [EchoRequestSchema.typeName, [...toBinary(EchoRequestSchema, text)]],
        [unknown.type, [...unknown.value]],
        [EchoResponseSchema.typeName, [...toBinary(EchoResponseSchema, both)]],
      ]);
    }
  });

  it("reads and writes several details as Connect's own implementation does", async () => {
    const unknown = { type: "test.of.nobody.Known", value: new Uint8Array([8, 150, 1]) };
    function threeReasons(): ConnectError {
      const error = new ConnectError("three reasons", Code.FailedPrecondition);
      error.details.push({ desc: EchoRequestSchema, value: { text: "a" } }, unknown, {
        desc: EchoResponseSchema,
        value: { text: "b", index: 7 },
      });
      return error;
    }
    const { origin } = await serve(cleanup, {
      service: {
        echo() {
          throw threeReasons();
        },
      },
    });
    const { headers } = await request(session(cleanup, origin), {});
    const names = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
    const written = new Headers(names.map((name) => [name, String(headers[name])]));
    const stated = await serveRaw(cleanup, (stream) => {
      const trailers = new Headers();
      setTrailerStatus(trailers, threeReasons());
      const head = { ":status": 200, "content-type": "application/grpc" };
      stream.respond({ ...head, ...Object.fromEntries(trailers) }, { endStream: true });
    });
    const read = await failure(open(cleanup, stated).client.echo({ text: "" }));
    for (const error of [findTrailerError(written), read]) {
      assert.deepEqual([error?.code, error?.rawMessage], [Code.FailedPrecondition, "three reasons"]);
      assert.deepEqual(
        error?.details.map((detail) => "type" in detail && detail.type),
        [EchoRequestSchema.typeName, unknown.type, EchoResponseSchema.typeName],
      );
      assert.equal(error?.findDetails(EchoRequestSchema)[0]?.text, "a");
      assert.equal(error?.findDetails(EchoResponseSchema)[0]?.index, 7);
      const [, middle] = error?.details ?? [];
      assert.deepEqual(middle !== undefined && "type" in middle && [...middle.value], [...unknown.value]);
    }
  });
});
