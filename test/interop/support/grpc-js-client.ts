/*
 * Cases of gRPC's interoperability suite by grpc-js:
 *
 *     grpc-js-client.ts HOST:PORT
 *
 * Prints a line of JSON for each case: its name, and what went wrong if something did.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import {
  type CallOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  compressionAlgorithms,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  type requestCallback,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import {
  EchoStatusSchema,
  EmptySchema,
  PayloadSchema,
  SimpleRequestSchema,
  type SimpleResponse,
  StreamingInputCallRequestSchema,
  type StreamingInputCallResponse,
  StreamingOutputCallRequestSchema,
  type StreamingOutputCallResponse,
  TestService,
  UnimplementedService,
} from "../../gen/test/grpc/testing/test_pb.ts";
import { definitionOf } from "./grpc-js.ts";
import { echoed, unknownDetail, wantDetails } from "./test-service.ts";

type Unary<Answer> = (
  request: Message,
  metadata: Metadata,
  options: CallOptions,
  done: requestCallback<Answer>,
) => ClientUnaryCall;
type Reader = ClientReadableStream<StreamingOutputCallResponse>;
type Duplex = ClientDuplexStream<Message, StreamingOutputCallResponse>;

interface TestClient {
  readonly emptyCall: Unary<Message>;
  readonly unaryCall: Unary<SimpleResponse>;
  readonly unimplementedCall: Unary<Message>;
  streamingOutputCall(request: Message, options: CallOptions): Reader;
  streamingInputCall(done: requestCallback<StreamingInputCallResponse>): ClientWritableStream<Message>;
  fullDuplexCall(metadata: Metadata, options: CallOptions): Duplex;
  close(): void;
}

const [target = ""] = process.argv.slice(2);
const limits = { "grpc.max_receive_message_length": 8 * 1024 * 1024 };

function clientOf(service: Parameters<typeof definitionOf>[0], options: object = limits): TestClient {
  const Client = makeGenericClientConstructor(definitionOf(service), service.typeName);
  return new Client(target, credentials.createInsecure(), options) as unknown as TestClient;
}

const client = clientOf(TestService);
const requestSizes = [27182, 8, 1828, 45904];
const responseSizes = [31415, 9, 2653, 58979];
const special = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
const payload = (size: number): { body: Uint8Array } => ({ body: new Uint8Array(size) });

interface Answered<Answer> {
  readonly answer: Answer;
  readonly header: Metadata | undefined;
  readonly trailer: Metadata | undefined;
}

function call<Answer>(method: Unary<Answer>, request: Message, metadata = new Metadata(), on = client) {
  return new Promise<Answered<Answer>>((resolve, reject) => {
    let header: Metadata | undefined;
    const options = { deadline: Date.now() + 10_000 };
    const started = method.call(on, request, metadata, options, (error, answer) => {
      // The status comes after the answer, in the same turn.
      if (error) reject(error);
      else setImmediate(() => resolve({ answer: answer as Answer, header, trailer }));
    });
    let trailer: Metadata | undefined;
    started.on("metadata", (each) => {
      header = each;
    });
    started.on("status", (each) => {
      trailer = each.metadata;
    });
  });
}

async function failure(promise: Promise<unknown>): Promise<ServiceError> {
  return promise.then(
    () => assert.fail("the call should have failed"),
    (error: ServiceError) => error,
  );
}

function simpleRequest(init: MessageInitShape<typeof SimpleRequestSchema>): Message {
  return create(SimpleRequestSchema, init);
}

function outputRequest(init: MessageInitShape<typeof StreamingOutputCallRequestSchema>): Message {
  return create(StreamingOutputCallRequestSchema, init);
}

async function sizesOf(answers: AsyncIterable<StreamingOutputCallResponse>): Promise<unknown[]> {
  return Array.fromAsync(answers, ({ payload }) => payload?.body.length);
}

function openDuplex(metadata = new Metadata(), options: CallOptions = {}): Duplex {
  const stream = client.fullDuplexCall(metadata, { deadline: Date.now() + 10_000, ...options });
  stream.on("error", () => {});
  return stream;
}

async function largeUnary(size: number, answerSize: number, on = client): Promise<void> {
  const request = simpleRequest({ responseSize: answerSize, payload: payload(size) });
  const { answer } = await call(on.unaryCall, request, undefined, on);
  assert.equal(answer.payload?.body.length, answerSize);
}

async function failsWith(message: string): Promise<void> {
  const responseStatus = { code: 2, message };
  const stream = openDuplex();
  stream.end(outputRequest({ responseStatus }));
  const errors = [
    failure(sizesOf(stream)),
    failure(call(client.unaryCall, simpleRequest({ responseStatus }))),
  ];
  for (const error of await Promise.all(errors)) {
    assert.deepEqual([error.code, error.details], [status.UNKNOWN, message]);
  }
}

/** The next message of a stream. */
function next(stream: Duplex): Promise<StreamingOutputCallResponse> {
  return new Promise((resolve, reject) => {
    stream.once("data", resolve);
    stream.once("error", reject);
  });
}

const cases: Record<string, () => Promise<void>> = {
  async empty_unary() {
    const { answer } = await call(client.emptyCall, create(EmptySchema));
    assert.deepEqual(answer, create(EmptySchema));
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
      const stream = client.streamingInputCall((error, answer) =>
        error ? reject(error) : resolve(answer?.aggregatedPayloadSize),
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
      const answer = next(stream);
      stream.write(
        outputRequest({ payload: payload(size), responseParameters: [{ size: responseSizes[index]! }] }),
      );
      assert.equal((await answer).payload?.body.length, responseSizes[index]);
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
