import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { MeshError } from "../../core/errors.ts";
import { isThenable } from "../../core/hooks.ts";
import type { StreamHandler } from "../../http/http2/streams/stream.ts";
import { outcomeOfCode } from "../dialect/rpc-outcome.ts";
import {
  decodeMessageBody,
  type EncodedMessage,
  encodeMessage,
  type MessageCodec,
} from "../message/codec.ts";
import { EnvelopeReader } from "../message/envelope.ts";
import { MessageReader } from "../message/message-reader.ts";
import { MessageWriter } from "../message/message-writer.ts";
import { incomplete, isAsyncIterable, type ServerCallInit } from "./grpc-call-init.ts";
import { type Input, invoke } from "./invoke.ts";

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
  #inbound: MessageReader | undefined = undefined;
  #outbound: MessageWriter | undefined = undefined;
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

  /** Starts to read the request; whatever fails in that fails the call. */
  start(): void {
    if (this.#over) return;
    try {
      this.#start();
    } catch (error) {
      this.fail(error);
    }
  }

  #start(): void {
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
      this.#inbound = new MessageReader({
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
    try {
      const output = gate.run(call, () => invoke(method, context, input));
      if (!isThenable(output)) this.#answer(output);
      else {
        Promise.resolve(output).then(
          (done) => this.#answer(done),
          (error: unknown) => this.fail(error),
        );
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** Takes what the implementation made; whatever that is, the call ends. */
  #answer(output: unknown): void {
    if (this.#over) return;
    try {
      const { operation, spec } = this.#init.method;
      if (isAsyncIterable(output)) this.#answerMany(output);
      else if (spec.kind === "unary" || spec.kind === "client_streaming") this.#answerOne(output as object);
      else
        throw new TypeError(`Cannot serve ${operation}: it returned no async iterable; yield its messages`);
    } catch (error) {
      this.fail(error);
    }
  }

  #answerOne(message: object): void {
    let encoded: EncodedMessage | Promise<EncodedMessage>;
    try {
      encoded = encodeMessage(this.#output, message, this.#init.encode);
    } catch (error) {
      this.#unsendable(error);
      return;
    }
    if (encoded instanceof Promise) {
      encoded.then(
        (done) => this.#succeed(done),
        (error: unknown) => this.#unsendable(error),
      );
    } else {
      this.#succeed(encoded);
    }
  }

  /** A message that cannot be written is the implementation's fault, which its client cannot mend. */
  #unsendable(error: unknown): void {
    const { call, gate } = this.#init;
    if (!this.#over) gate.report(call, error);
    this.fail(error);
  }

  #answerMany(messages: AsyncIterable<object>): void {
    const { gate, call, context, response, encode } = this.#init;
    const outbound = new MessageWriter(response.stream, messages, this.#output);
    this.#outbound = outbound;
    gate
      .run(call, () =>
        outbound.send(
          encode,
          () => response.begin(context),
          (error) => gate.report(call, error),
        ),
      )
      .then(
        (all) => {
          if (all) this.#succeed(undefined);
        },
        (error: unknown) => this.fail(error),
      );
  }

  #succeed(last: EncodedMessage | undefined): void {
    if (this.#over) return;
    const { call, context, gate, response } = this.#init;
    this.#settle();
    try {
      response.finish(context, last);
    } catch (error) {
      // Without the context: its metadata is what could not be sent.
      response.refuse(gate, call, undefined, error);
      return;
    }
    call.end(outcomeOfCode(0));
  }

  /** Ends the RPC with an error. Never throws. */
  fail(thrown: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const { call, context, response, gate } = this.#init;
    const error = response.refuse(gate, call, context, thrown);
    this.#inbound?.abort(error);
    this.#outbound?.stop();
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

  #settle(): void {
    this.#over = true;
    this.#init.context.settle();
    this.#inbound?.abort(undefined);
    this.#outbound?.stop();
  }
}
