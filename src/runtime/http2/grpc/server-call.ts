import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "../../../core/call.ts";
import { outcomeOfCancelledCall } from "../../../core/classifier.ts";
import { isMeshError, MeshError } from "../../../core/errors.ts";
import { outcomeOfCode } from "../../../rpc/classifier.ts";
import type { RpcGate, RpcMethod } from "../../../rpc/dispatcher.ts";
import type { StreamHandler } from "../wire/stream.ts";
import {
  decodeMessageBody,
  type EncodedMessage,
  type EncodeOptions,
  encodeMessage,
  type MessageCodec,
  type MethodCodecs,
} from "./codec.ts";
import type { Compression } from "./compression.ts";
import { EnvelopeReader } from "./envelope.ts";
import { deadlineExceeded } from "./faults.ts";
import { InboundMessages } from "./inbound.ts";
import { OutboundMessages } from "./outbound.ts";
import type { GrpcContext } from "./server-context.ts";
import { type Input, invoke, type Output } from "./server-invoke.ts";
import type { ServerResponse } from "./server-response.ts";

/** What one RPC on the server is made of. */
export interface ServerCallInit {
  readonly method: RpcMethod;
  readonly gate: RpcGate;
  readonly call: Call;
  readonly context: GrpcContext;
  readonly response: ServerResponse;
  readonly format: "proto" | "json";
  readonly codecs: MethodCodecs;
  readonly encode: EncodeOptions;
  /** How the messages of the request are compressed. */
  readonly compression: Compression | undefined;
}

/** One RPC on the server, from its first body byte to its last word. */
export class ServerCall implements StreamHandler {
  readonly #init: ServerCallInit;
  readonly #input: MessageCodec;
  readonly #output: MessageCodec;
  readonly #maxBytes: number;
  /** For requests of one message. */
  #reader: EnvelopeReader | undefined = undefined;
  #body: Uint8Array | undefined = undefined;
  #flags = 0;
  /** For requests of many. */
  #inbound: InboundMessages | undefined = undefined;
  #outbound: OutboundMessages | undefined = undefined;
  /** What arrived before the call was admitted. */
  #early: Uint8Array[] | undefined = undefined;
  #started = false;
  #ended = false;
  #over = false;

  constructor(init: ServerCallInit) {
    this.#init = init;
    this.#input = init.codecs.input[init.format];
    this.#output = init.codecs.output[init.format];
    this.#maxBytes = init.method.options.readMaxBytes;
  }

  /** Follows the stream's end and the call's cancellation; reads nothing yet. */
  watch(): void {
    const { call, response } = this.#init;
    response.stream.handler = this;
    call.onCancel((reason) => this.#cancelled(reason));
  }

  /** Starts to read the request. */
  start(): void {
    if (this.#over) return;
    const { response, method } = this.#init;
    const stream = response.stream;
    const { kind } = method.spec;
    if (kind === "unary" || kind === "server_streaming") {
      stream.expectBody();
      this.#reader = new EnvelopeReader(this.#maxBytes, (flags, bytes) => {
        if (this.#body !== undefined) {
          throw new ConnectError("protocol error: received extra input message", Code.Unimplemented);
        }
        this.#flags = flags;
        this.#body = bytes;
      });
    } else {
      this.#inbound = new InboundMessages({
        stream,
        codec: this.#input,
        maxBytes: this.#maxBytes,
        onReturn: () => {},
        onError: (error) => this.fail(error),
      });
      this.#inbound.useCompression(this.#init.compression);
    }
    this.#started = true;
    const early = this.#early;
    if (early !== undefined) {
      this.#early = undefined;
      stream.resume();
      for (const chunk of early) this.onData(chunk);
    }
    if (this.#inbound !== undefined) this.#run(this.#inbound);
    if (this.#ended) this.onEnd();
  }

  /** Holds the body back until {@link start}: who is admitted is decided before it is read. */
  hold(): void {
    this.#early = [];
    this.#init.response.stream.pause();
  }

  onHeaders(): void {
    // A server is given them before the call exists.
  }

  onTrailers(): void {
    // gRPC knows none in requests.
  }

  onData(chunk: Uint8Array): void {
    if (this.#over) return;
    if (!this.#started) {
      this.#early?.push(chunk);
      return;
    }
    if (this.#inbound !== undefined) {
      this.#inbound.push(chunk);
      return;
    }
    try {
      this.#reader?.push(chunk);
    } catch (error) {
      this.fail(error);
    }
  }

  onEnd(): void {
    if (this.#over) return;
    if (!this.#started) {
      this.#ended = true;
      return;
    }
    const inbound = this.#inbound;
    if (inbound !== undefined) {
      inbound.end(inbound.atBoundary ? undefined : incomplete());
      return;
    }
    const body = this.#body;
    if (this.#reader?.atBoundary === false) this.fail(incomplete());
    else if (body === undefined) {
      this.fail(new ConnectError("protocol error: missing input message", Code.Unimplemented));
    } else this.#decode(body);
  }

  #decode(body: Uint8Array): void {
    const { compression } = this.#init;
    let message: Message | Promise<Message>;
    try {
      message = decodeMessageBody(this.#input, this.#flags, body, compression, this.#maxBytes);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (message instanceof Promise) {
      message.then(
        (done) => this.#run(done),
        (error: unknown) => this.fail(error),
      );
    } else {
      this.#run(message);
    }
  }

  #run(input: Input): void {
    if (this.#over) return;
    const { gate, call, method, context } = this.#init;
    let output: Output | Promise<Output>;
    try {
      output = gate.run(call, () => invoke(method, context, input));
    } catch (error) {
      this.fail(error);
      return;
    }
    if (output instanceof Promise) {
      output.then(
        (done) => this.#answer(done),
        (error: unknown) => this.fail(error),
      );
    } else {
      this.#answer(output);
    }
  }

  #answer(output: Output): void {
    if (this.#over) return;
    if (Symbol.asyncIterator in output) void this.#answerMany(output);
    else this.#answerOne(output);
  }

  #answerOne(message: object): void {
    const { encode } = this.#init;
    let encoded: EncodedMessage | Promise<EncodedMessage>;
    try {
      encoded = encodeMessage(this.#output, message, encode);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (encoded instanceof Promise) {
      encoded.then(
        (done) => this.#succeed(done),
        (error: unknown) => this.fail(error),
      );
    } else {
      this.#succeed(encoded);
    }
  }

  async #answerMany(messages: AsyncIterable<object>): Promise<void> {
    const { gate, call, context, response, encode } = this.#init;
    const outbound = new OutboundMessages(response.stream, messages, this.#output);
    this.#outbound = outbound;
    try {
      const all = await gate.run(call, () => outbound.send(encode, () => response.begin(context)));
      if (all) this.#succeed(undefined);
    } catch (error) {
      this.fail(error);
    }
  }

  #succeed(last: EncodedMessage | undefined): void {
    if (this.#over) return;
    const { call, context, response } = this.#init;
    this.#settle();
    response.finish(context, last);
    call.end(outcomeOfCode(0));
  }

  /** Ends the RPC with an error. */
  fail(thrown: unknown): void {
    if (this.#over) return;
    const { call, context, response, gate } = this.#init;
    const late = call.cancelled && isMeshError(call.reason, "ERR_DEADLINE_EXCEEDED");
    // Every gRPC implementation says this with the code alone.
    const error = late ? deadlineExceeded() : gate.errorFor(call, thrown);
    this.#settle(error);
    response.fail(context, error, call.cancelled);
    call.end(outcomeOfCancelledCall(call) ?? outcomeOfCode(error.code));
  }

  #cancelled(reason: unknown): void {
    this.fail(reason);
  }

  onDrain(): void {
    this.#outbound?.drained();
  }

  /** The stream is gone: before the answer was complete, that means that the client lost interest. */
  onClose(): void {
    const { call } = this.#init;
    this.#outbound?.stop();
    if (this.#over) return;
    call.cancel(new MeshError("ERR_CANCELLED", "The client cancelled the call or went away"));
  }

  #settle(error?: ConnectError): void {
    this.#over = true;
    this.#init.context.settle(error);
    this.#inbound?.abort(error);
    this.#outbound?.stop();
  }
}

function incomplete(): ConnectError {
  return new ConnectError(
    "protocol error: the request ended in the middle of a message",
    Code.InvalidArgument,
  );
}
