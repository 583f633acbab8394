/* Calls of gRPC's interoperability service by grpc-js, to the target that the command line names. */
import assert from "node:assert/strict";
import process from "node:process";
import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CallOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  type requestCallback,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import {
  SimpleRequestSchema,
  type SimpleResponse,
  type StreamingInputCallResponse,
  StreamingOutputCallRequestSchema,
  type StreamingOutputCallResponse,
  TestService,
} from "../../gen/test/grpc/testing/test_pb.ts";
import { definitionOf } from "./grpc-js.ts";

type Unary<Datasets> = (
  request: Message,
  metadata: Metadata,
  options: CallOptions,
  done: requestCallback<Datasets>,
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

export function clientOf(service: Parameters<typeof definitionOf>[0], options: object = limits): TestClient {
  const Client = makeGenericClientConstructor(definitionOf(service), service.typeName);
  return new Client(target, credentials.createInsecure(), options) as unknown as TestClient;
}

export const client: TestClient = clientOf(TestService);
export const payload = (size: number): { body: Uint8Array } => ({ body: new Uint8Array(size) });

interface CallResult<Datasets> {
  readonly response: Datasets;
  readonly header: Metadata | undefined;
  readonly trailer: Metadata | undefined;
}

export function call<Datasets>(
  method: Unary<Datasets>,
  request: Message,
  metadata: Metadata = new Metadata(),
  on: TestClient = client,
): Promise<CallResult<Datasets>> {
  return new Promise<CallResult<Datasets>>((resolve, reject) => {
    let header: Metadata | undefined;
    const options = { deadline: Date.now() + 10_000 };
    const started = method.call(on, request, metadata, options, (error, response) => {
      // The status comes after the response, in the same turn.
      if (error) reject(error);
      else setImmediate(() => resolve({ response: response as Datasets, header, trailer }));
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

export async function failure(promise: Promise<unknown>): Promise<ServiceError> {
  return promise.then(
    () => assert.fail("the call should have failed"),
    (error: ServiceError) => error,
  );
}

export function simpleRequest(init: MessageInitShape<typeof SimpleRequestSchema>): Message {
  return create(SimpleRequestSchema, init);
}

export function outputRequest(init: MessageInitShape<typeof StreamingOutputCallRequestSchema>): Message {
  return create(StreamingOutputCallRequestSchema, init);
}

export async function sizesOf(responses: AsyncIterable<StreamingOutputCallResponse>): Promise<unknown[]> {
  return Array.fromAsync(responses, ({ payload }) => payload?.body.length);
}

export function openDuplex(metadata: Metadata = new Metadata(), options: CallOptions = {}): Duplex {
  const stream = client.fullDuplexCall(metadata, { deadline: Date.now() + 10_000, ...options });
  stream.on("error", () => {});
  return stream;
}

export async function largeUnary(size: number, responseSize: number, on: TestClient = client): Promise<void> {
  const request = simpleRequest({ responseSize: responseSize, payload: payload(size) });
  const { response } = await call(on.unaryCall, request, undefined, on);
  assert.equal(response.payload?.body.length, responseSize);
}

export async function failsWith(message: string): Promise<void> {
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
export function next(stream: Duplex): Promise<StreamingOutputCallResponse> {
  return new Promise((resolve, reject) => {
    stream.once("data", resolve);
    stream.once("error", reject);
  });
}
