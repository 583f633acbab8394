/*
 * gRPC's test service, served by grpc-js. It prints its port as a line of JSON and ends with its standard input.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import {
  type EchoStatus,
  EmptySchema,
  type ResponseParameters,
  type SimpleRequest,
  SimpleResponseSchema,
  type StreamingInputCallRequest,
  StreamingInputCallResponseSchema,
  type StreamingOutputCallRequest,
  StreamingOutputCallResponseSchema,
  TestService,
} from "../../gen/test/grpc/testing/test_pb.ts";
import { definitionOf } from "./grpc-js.ts";
import { detailsOf, echoed, wantDetails } from "./test-service.ts";

interface AnyCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  sendMetadata(metadata: Metadata): void;
}

/** Sends what goes first, and gives what goes last. */
function echoMetadata(call: AnyCall): Metadata {
  const trailer = new Metadata();
  for (const value of call.metadata.get(echoed.trailing)) trailer.add(echoed.trailing, value);
  const header = new Metadata();
  for (const value of call.metadata.get(echoed.initial)) header.add(echoed.initial, value);
  if (header.get(echoed.initial).length > 0) call.sendMetadata(header);
  return trailer;
}

function errorOf(status: EchoStatus, call: AnyCall, metadata: Metadata): object {
  if (call.metadata.get(wantDetails).length > 0) {
    const headers = new Headers();
    const error = new ConnectError(status.message, status.code);
    error.details = detailsOf(status);
    setTrailerStatus(headers, error);
    const name = "grpc-status-details-bin";
    metadata.set(name, Buffer.from(headers.get(name) ?? "", "base64"));
  }
  return { code: status.code, details: status.message, metadata };
}

async function response(
  parameters: readonly ResponseParameters[],
  call: AnyCall & { write(message: unknown): boolean; once(event: "drain", listener: () => void): unknown },
): Promise<void> {
  for (const { size, intervalUs } of parameters) {
    if (intervalUs > 0) await sleep(intervalUs / 1000, undefined, { ref: false });
    if (call.cancelled) return;
    const message = create(StreamingOutputCallResponseSchema, { payload: { body: new Uint8Array(size) } });
    if (!call.write(message)) await new Promise<void>((resolve) => call.once("drain", resolve));
  }
}

async function respondAll(
  call: ServerDuplexStream<StreamingOutputCallRequest, unknown>,
  trailer: Metadata,
): Promise<void> {
  for await (const {
    responseStatus,
    responseParameters,
  } of call as AsyncIterable<StreamingOutputCallRequest>) {
    if (responseStatus !== undefined && responseStatus.code !== 0) {
      call.emit("error", errorOf(responseStatus, call, trailer));
      return;
    }
    await response(responseParameters, call);
  }
  call.end(trailer);
}

// The largest case is larger than the default, by the envelope.
const server = new Server({ "grpc.max_receive_message_length": 8 * 1024 * 1024 });
const { unimplementedCall: _, ...definition } = definitionOf(TestService);
server.addService(definition, {
  emptyCall: (_call: unknown, done: sendUnaryData<unknown>) => done(null, create(EmptySchema)),
  unaryCall(call: ServerUnaryCall<SimpleRequest, unknown>, done: sendUnaryData<unknown>) {
    const trailer = echoMetadata(call);
    const { responseStatus, responseSize } = call.request;
    if (responseStatus !== undefined && responseStatus.code !== 0) {
      done(errorOf(responseStatus, call, trailer));
      return;
    }
    done(null, create(SimpleResponseSchema, { payload: { body: new Uint8Array(responseSize) } }), trailer);
  },
  async streamingOutputCall(call: ServerWritableStream<StreamingOutputCallRequest, unknown>) {
    await response(call.request.responseParameters, call);
    call.end();
  },
  streamingInputCall(
    call: ServerReadableStream<StreamingInputCallRequest, unknown>,
    done: sendUnaryData<unknown>,
  ) {
    let sum = 0;
    call.on("data", ({ payload }: StreamingInputCallRequest) => {
      sum += payload?.body.length ?? 0;
    });
    call.on("end", () =>
      done(null, create(StreamingInputCallResponseSchema, { aggregatedPayloadSize: sum })),
    );
    call.on("error", () => {});
  },
  fullDuplexCall(call: ServerDuplexStream<StreamingOutputCallRequest, unknown>) {
    const trailer = echoMetadata(call);
    // A cancelled call ends its requests with an error.
    respondAll(call, trailer).catch(() => {});
  },
});
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(JSON.stringify({ port }));
});
process.stdin.on("end", () => process.exit(0)).resume();
