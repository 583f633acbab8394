/*
 * Cases of gRPC's interoperability suite by grpc-js:
 *
 *     grpc-js-client.ts HOST:PORT
 *
 * Prints a line of JSON for each case: its name, and what went wrong if something did.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { create } from "@bufbuild/protobuf";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { compressionAlgorithms, Metadata, status } from "@grpc/grpc-js";
import {
  EchoStatusSchema,
  EmptySchema,
  PayloadSchema,
  StreamingInputCallRequestSchema,
  TestService,
  UnimplementedService,
} from "../../gen/test/grpc/testing/test_pb.ts";
import {
  call,
  client,
  clientOf,
  failsWith,
  failure,
  largeUnary,
  next,
  openDuplex,
  outputRequest,
  payload,
  simpleRequest,
  sizesOf,
} from "./grpc-js-calls.ts";
import { echoed, unknownDetail, wantDetails } from "./test-service.ts";

const requestSizes = [27182, 8, 1828, 45904];
const responseSizes = [31415, 9, 2653, 58979];
const special = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";

const cases: Record<string, () => Promise<void>> = {
  async empty_unary() {
    const { response } = await call(client.emptyCall, create(EmptySchema));
    assert.deepEqual(response, create(EmptySchema));
  },
  large_unary: () => largeUnary(271828, 314159),
  async client_compressed_unary() {
    const gzip = { "grpc.default_compression_algorithm": compressionAlgorithms.gzip };
    const compressing = clientOf(TestService, gzip);
    await largeUnary(271828, 314159, compressing);
    compressing.close();
  },
  largest_message: () => largeUnary(4 * 1024 * 1024 - 100, 4 * 1024 * 1024 - 100),
  async too_large_request() {
    const error = await failure(largeUnary(4 * 1024 * 1024, 1));
    assert.equal(error.code, status.RESOURCE_EXHAUSTED);
    await largeUnary(1, 1);
  },
  async client_streaming() {
    const sum = await new Promise((resolve, reject) => {
      const stream = client.streamingInputCall((error, response) =>
        error ? reject(error) : resolve(response?.aggregatedPayloadSize),
      );
      for (const size of requestSizes)
        stream.write(create(StreamingInputCallRequestSchema, { payload: payload(size) }));
      stream.end();
    });
    assert.equal(sum, 74922);
  },
  async server_streaming() {
    const request = outputRequest({ responseParameters: responseSizes.map((size) => ({ size })) });
    assert.deepEqual(await sizesOf(client.streamingOutputCall(request, {})), responseSizes);
  },
  async many_messages() {
    const sizes = Array.from({ length: 2000 }, (_, index) => index);
    const request = outputRequest({ responseParameters: sizes.map((size) => ({ size })) });
    assert.deepEqual(await sizesOf(client.streamingOutputCall(request, {})), sizes);
  },
  async ping_pong() {
    const stream = openDuplex();
    for (const [index, size] of requestSizes.entries()) {
      const response = next(stream);
      stream.write(
        outputRequest({ payload: payload(size), responseParameters: [{ size: responseSizes[index]! }] }),
      );
      assert.equal((await response).payload?.body.length, responseSizes[index]);
    }
    stream.end();
    await new Promise((resolve) => stream.once("end", resolve));
  },
  async empty_stream() {
    const stream = openDuplex();
    stream.end();
    assert.deepEqual(await sizesOf(stream), []);
  },
  async custom_metadata() {
    const metadata = new Metadata();
    const value = Buffer.from([0xab, 0, 0xab, 10, 11]);
    metadata.set(echoed.initial, "test_initial_metadata_value");
    metadata.set(echoed.trailing, value);
    const unary = await call(client.unaryCall, simpleRequest({ responseSize: 1 }), metadata);
    const stream = openDuplex(metadata);
    const seen: { header?: Metadata; trailer?: Metadata } = {};
    stream.on("metadata", (header) => {
      seen.header = header;
    });
    const ended = new Promise<void>((resolve) => {
      stream.on("status", (end) => {
        seen.trailer = end.metadata;
        resolve();
      });
    });
    stream.end(outputRequest({ responseParameters: [{ size: 1 }] }));
    assert.deepEqual(await sizesOf(stream), [1]);
    await ended;
    for (const { header, trailer } of [unary, seen]) {
      assert.deepEqual(header?.get(echoed.initial), ["test_initial_metadata_value"]);
      assert.deepEqual(trailer?.get(echoed.trailing), [value]);
    }
  },
  async repeated_binary_metadata() {
    const values = [[0xab, 0, 0xab, 10, 11], [255], [], [0, 1, 2]].map((value) => Buffer.from(value));
    const metadata = new Metadata();
    for (const value of values) metadata.add(echoed.trailing, value);
    const { trailer } = await call(client.unaryCall, simpleRequest({ responseSize: 1 }), metadata);
    assert.deepEqual(trailer?.get(echoed.trailing), values);
  },
  status_code_and_message: () => failsWith("test status message"),
  special_status_message: () => failsWith(special),
  async error_details() {
    const metadata = new Metadata();
    metadata.set(wantDetails, "1");
    const wanted = { code: status.FAILED_PRECONDITION, message: "with details ✓" };
    const error = await failure(call(client.unaryCall, simpleRequest({ responseStatus: wanted }), metadata));
    assert.deepEqual([error.code, error.details], [wanted.code, wanted.message]);
    const name = "grpc-status-details-bin";
    const [value] = error.metadata.get(name) as Buffer[];
    const trailer = new Headers({ "grpc-status": `${error.code}`, [name]: value!.toString("base64") });
    const told = findTrailerError(trailer);
    const [detail] = told?.findDetails(EchoStatusSchema) ?? [];
    assert.deepEqual({ code: detail?.code, message: detail?.message }, wanted);
    const [body] = told?.findDetails(PayloadSchema) ?? [];
    assert.deepEqual(body?.body, new Uint8Array([1, 2, 3]));
    assert.equal(told?.details.length, 3);
    const middle = told.details[1]!;
    assert.ok("type" in middle);
    assert.deepEqual({ type: middle.type, value: new Uint8Array(middle.value) }, unknownDetail);
  },
  async unimplemented_method() {
    const error = await failure(call(client.unimplementedCall, create(EmptySchema)));
    assert.equal(error.code, status.UNIMPLEMENTED);
  },
  async unimplemented_service() {
    const other = clientOf(UnimplementedService);
    const error = await failure(call(other.unimplementedCall, create(EmptySchema), undefined, other));
    assert.equal(error.code, status.UNIMPLEMENTED);
    other.close();
  },
  async cancel_after_begin() {
    const error = await failure(
      new Promise((resolve, reject) => {
        const stream = client.streamingInputCall((problem) =>
          problem ? reject(problem) : resolve(undefined),
        );
        stream.cancel();
      }),
    );
    assert.equal(error.code, status.CANCELLED);
  },
  async cancel_after_first_response() {
    const stream = openDuplex();
    const first = next(stream);
    stream.write(outputRequest({ payload: payload(27182), responseParameters: [{ size: 31415 }] }));
    assert.equal((await first).payload?.body.length, 31415);
    const second = failure(next(stream));
    stream.cancel();
    assert.equal((await second).code, status.CANCELLED);
  },
  async timeout_on_sleeping_server() {
    const stream = openDuplex(undefined, { deadline: Date.now() + 1 });
    const error = failure(next(stream));
    stream.write(outputRequest({ payload: payload(27182) }));
    assert.equal((await error).code, status.DEADLINE_EXCEEDED);
  },
  async deadline_in_mid_stream() {
    const request = outputRequest({ responseParameters: [{ size: 1 }, { size: 1, intervalUs: 20_000_000 }] });
    const error = await failure(sizesOf(client.streamingOutputCall(request, { deadline: Date.now() + 300 })));
    assert.equal(error.code, status.DEADLINE_EXCEEDED);
  },
};

for (const [name, test] of Object.entries(cases)) {
  const problem = await test().then(
    () => undefined,
    (error: Error) => error.stack ?? error.message,
  );
  console.log(JSON.stringify({ name, problem }));
}
client.close();
// grpc-js keeps a connection with cancelled calls open for long, whatever the server.
process.exit(0);
