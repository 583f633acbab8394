import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { addHeaders, errorToProto, headersToProto } from "./convert.ts";
import {
  type ClientCompatRequest,
  type ClientResponseResult,
  ClientResponseResultSchema,
} from "./gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { StreamType } from "./gen/connectrpc/conformance/v1/config_pb.ts";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  ConformancePayloadSchema,
  ConformanceService,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
  UnimplementedRequestSchema,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

/** One test: its request, what comes of it, and the levers that the request pulls. */
class Run {
  readonly request: ClientCompatRequest;
  readonly result: ClientResponseResult = create(ClientResponseResultSchema);
  readonly #abort = new AbortController();

  constructor(request: ClientCompatRequest) {
    this.request = request;
  }

  get options(): CallOptions {
    return {
      headers: addHeaders(new Headers(), this.request.requestHeaders),
      signal: this.#abort.signal,
      ...(this.request.timeoutMs === undefined ? {} : { timeoutMs: this.request.timeoutMs }),
      onHeader: (headers) => {
        this.result.responseHeaders = headersToProto(headers);
      },
      onTrailer: (trailers) => {
        this.result.responseTrailers = headersToProto(trailers);
      },
    };
  }

  messages<D extends DescMessage>(desc: D): MessageShape<D>[] {
    return this.request.requestMessages.map((any) => {
      const message = anyUnpack(any, desc);
      if (message === undefined) throw new Error(`Cannot call: ${any.typeUrl} is not a ${desc.typeName}`);
      return message;
    });
  }

  got(payload: ConformancePayload | undefined): void {
    this.result.payloads.push(payload ?? create(ConformancePayloadSchema));
    const timing = this.request.cancel?.cancelTiming;
    if (timing?.case === "afterNumResponses" && timing.value === this.result.payloads.length) this.cancel();
  }

  cancel(): void {
    this.#abort.abort();
  }

  async cancelAfterClose(): Promise<void> {
    const cancel = this.request.cancel;
    if (cancel === undefined) return;
    const { cancelTiming } = cancel;
    if (cancelTiming.case === undefined) this.cancel();
    else if (cancelTiming.case === "afterCloseSendMs") {
      await sleep(cancelTiming.value);
      this.cancel();
    }
  }

  failed(error: unknown): void {
    const failure = ConnectError.from(error);
    this.result.error = errorToProto(failure);
    // A unary call that fails hands out headers and trailers together, on its error.
    if (this.result.responseHeaders.length === 0)
      this.result.responseHeaders = headersToProto(failure.metadata);
    if (this.result.responseTrailers.length === 0) {
      this.result.responseTrailers = headersToProto(failure.metadata);
    }
  }

  /** The messages of a stream, each after its delay, with the cancellation that the test asks for. */
  async *delayed<M>(messages: readonly M[]): AsyncGenerator<M> {
    for (const message of messages) {
      await sleep(this.request.requestDelayMs);
      yield message;
    }
    if (this.request.cancel?.cancelTiming.case === "beforeCloseSend") {
      this.cancel();
      // The call ends before this generator may say that the request is complete.
      await sleep(60_000, undefined, { ref: false });
    }
    void this.cancelAfterClose();
  }
}

/** What the generator of a full-duplex call waits for: one response to the message before. */
class Turns {
  #resolve: (() => void) | undefined;

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  pass(): void {
    this.#resolve?.();
    this.#resolve = undefined;
  }
}

async function fullDuplex(client: ReturnType<typeof clientOf>, run: Run): Promise<void> {
  const turns = new Turns();
  const messages = run.messages(BidiStreamRequestSchema);
  async function* requests(): AsyncGenerator<(typeof messages)[number]> {
    for (const message of messages) {
      const responded = turns.next();
      await sleep(run.request.requestDelayMs);
      yield message;
      await responded;
    }
    yield* run.delayed<(typeof messages)[number]>([]);
  }
  try {
    for await (const response of client.bidiStream(requests(), run.options)) {
      run.got(response.payload);
      turns.pass();
    }
  } finally {
    turns.pass();
  }
}

function clientOf(transport: Transport) {
  return createClient(ConformanceService, transport);
}

async function dispatch(client: ReturnType<typeof clientOf>, run: Run): Promise<void> {
  const { method, streamType } = run.request;
  switch (method) {
    case "Unary": {
      const response = client.unary(run.messages(UnaryRequestSchema)[0]!, run.options);
      void run.cancelAfterClose();
      run.got((await response).payload);
      return;
    }
    case "IdempotentUnary": {
      const response = client.idempotentUnary(run.messages(IdempotentUnaryRequestSchema)[0]!, run.options);
      void run.cancelAfterClose();
      run.got((await response).payload);
      return;
    }
    case "Unimplemented":
      await client.unimplemented(run.messages(UnimplementedRequestSchema)[0]!, run.options);
      return;
    case "ServerStream": {
      const responses = client.serverStream(run.messages(ServerStreamRequestSchema)[0]!, run.options);
      void run.cancelAfterClose();
      for await (const response of responses) run.got(response.payload);
      return;
    }
    case "ClientStream": {
      const requests = run.delayed(run.messages(ClientStreamRequestSchema));
      run.got((await client.clientStream(requests, run.options)).payload);
      return;
    }
    case "BidiStream": {
      if (streamType === StreamType.FULL_DUPLEX_BIDI_STREAM) return fullDuplex(client, run);
      const requests = run.delayed(run.messages(BidiStreamRequestSchema));
      for await (const response of client.bidiStream(requests, run.options)) run.got(response.payload);
      return;
    }
    default:
      throw new Error(`Cannot call: method ${method ?? ""} is unknown`);
  }
}

/** Makes the call that a test describes. */
export async function call(
  transport: Transport,
  request: ClientCompatRequest,
): Promise<ClientResponseResult> {
  const run = new Run(request);
  try {
    await dispatch(clientOf(transport), run);
  } catch (error) {
    run.failed(error);
  }
  return run.result;
}
