import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { isThenable } from "../../core/hooks.ts";
import type { Fields } from "../../http/http2/streams/stream.ts";
import { outcomeOfCode } from "../dialect/rpc-outcome.ts";
import {
  decodeMessageBody,
  type EncodedMessage,
  type EncodeOptions,
  encodeMessage,
  type MessageCodec,
  type MethodCodecs,
} from "../message/codec.ts";
import type { Compression } from "../message/compression.ts";
import { EnvelopeReader } from "../message/envelope.ts";
import { MessageReader } from "../message/message-reader.ts";
import { MessageWriter } from "../message/message-writer.ts";
import type { RpcMethod } from "./dispatcher.ts";
import { GrpcCall, type GrpcCallInit, incomplete } from "./grpc-call.ts";
import { GrpcContext } from "./handler-context.ts";
import { type Input, invoke } from "./invoke.ts";

/** What a served RPC is made of beyond its request. */
export interface GrpcServerCallInit extends GrpcCallInit {
  readonly method: RpcMethod;
  readonly fields: Fields;
  readonly format: "proto" | "json";
  readonly codecs: MethodCodecs;
  readonly encode: EncodeOptions;
  /** How the messages of the request are compressed. */
  readonly compression: Compression | undefined;
}

/** One RPC on the server, from its first body byte to the end of its response. */
export class GrpcServerCall extends GrpcCall {
  protected readonly context: GrpcContext;
  readonly #method: RpcMethod;
  readonly #input: MessageCodec;
  readonly #output: MessageCodec;
  readonly #encode: EncodeOptions;
  readonly #compression: Compression | undefined;
  /** For requests of one message. */
  #reader: EnvelopeReader | undefined = undefined;
  #body: Uint8Array | undefined = undefined;
  #flags = 0;
  /** For requests of many. */
  #messages: MessageReader | undefined = undefined;
  #writer: MessageWriter | undefined = undefined;
  /** What arrived before the call was let in. */
  #early: Uint8Array[] | undefined = undefined;
  #ended = false;

  constructor(init: GrpcServerCallInit) {
    super(init);
    const { method, format, codecs } = init;
    this.#method = method;
    this.#input = codecs.input[format];
    this.#output = codecs.output[format];
    this.#encode = init.encode;
    this.#compression = init.compression;
    this.context = new GrpcContext(method.method, this.call, init.fields, init.lifecycle);
  }

  /** Starts to read the request; what is thrown fails the call. */
  protected start(): void {
    if (this.over) return;
    const { stream } = this.response;
    const { kind } = this.#method.spec;
    const maxBytes = this.#method.options.readMaxBytes;
    if (kind === "unary" || kind === "server_streaming") {
      stream.expectBody();
      this.#reader = new EnvelopeReader(maxBytes, (flags, bytes) => {
        if (this.#body !== undefined) {
          throw new ConnectError("protocol error: received extra input message", Code.Unimplemented);
        }
        this.#flags = flags;
        this.#body = bytes;
      });
    } else {
      this.#messages = new MessageReader({
        stream,
        codec: this.#input,
        maxBytes,
        onReturn: () => {},
        onError: (error) => this.fail(error),
      });
      this.#messages.useCompression(this.#compression);
    }
    const early = this.#early;
    if (early !== undefined) {
      this.#early = undefined;
      stream.resume();
      for (const chunk of early) this.onData(chunk);
    }
    if (this.#messages !== undefined) this.#run(this.#messages);
    if (this.#ended) this.onEnd();
  }

  protected hold(): void {
    this.#early = [];
    this.response.stream.pause();
  }

  onData(chunk: Uint8Array): void {
    if (this.over) return;
    if (!this.started) {
      this.#early?.push(chunk);
      return;
    }
    if (this.#messages !== undefined) {
      this.#messages.push(chunk);
      return;
    }
    try {
      this.#reader?.push(chunk);
    } catch (error) {
      this.fail(error);
    }
  }

  onEnd(): void {
    if (this.over) return;
    if (!this.started) {
      this.#ended = true;
      return;
    }
    const messages = this.#messages;
    if (messages !== undefined) {
      messages.end(messages.atBoundary ? undefined : incomplete());
      return;
    }
    const body = this.#body;
    if (this.#reader?.atBoundary === false) this.fail(incomplete());
    else if (body === undefined) {
      this.fail(new ConnectError("protocol error: missing input message", Code.Unimplemented));
    } else this.#decode(body);
  }

  #decode(body: Uint8Array): void {
    let message: Message | Promise<Message>;
    try {
      message = decodeMessageBody(
        this.#input,
        this.#flags,
        body,
        this.#compression,
        this.#method.options.readMaxBytes,
      );
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
    if (this.over) return;
    try {
      const output = this.lifecycle.run(this.call, () => invoke(this.#method, this.context, input));
      if (!isThenable(output)) this.#send(output);
      else {
        Promise.resolve(output).then(
          (done) => this.#send(done),
          (error: unknown) => this.fail(error),
        );
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** Takes what the implementation made; whatever that is, the call ends. */
  #send(output: unknown): void {
    if (this.over) return;
    try {
      const { operation, spec } = this.#method;
      if (isAsyncIterable(output)) this.#sendMany(output);
      else if (spec.kind === "unary" || spec.kind === "client_streaming") this.#sendOne(output as object);
      else
        throw new TypeError(`Cannot serve ${operation}: it returned no async iterable; yield its messages`);
    } catch (error) {
      this.fail(error);
    }
  }

  #sendOne(message: object): void {
    let encoded: EncodedMessage | Promise<EncodedMessage>;
    try {
      encoded = encodeMessage(this.#output, message, this.#encode);
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
    if (!this.over) this.lifecycle.report(this.call, error);
    this.fail(error);
  }

  #sendMany(messages: AsyncIterable<object>): void {
    const { lifecycle, call, context, response } = this;
    const writer = new MessageWriter(response.stream, messages, this.#output);
    this.#writer = writer;
    lifecycle
      .run(call, () =>
        writer.send(
          this.#encode,
          () => response.begin(context),
          (error) => lifecycle.report(call, error),
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
    if (this.over) return;
    const { call, context, response } = this;
    this.over = true;
    context.settle();
    this.#messages?.abort(undefined);
    this.#writer?.stop();
    try {
      response.finish(context, last);
    } catch (error) {
      // Without the context: its metadata is what could not be sent.
      response.refuse(this.lifecycle, call, undefined, error);
      return;
    }
    call.end(outcomeOfCode(0));
  }

  protected settled(error: ConnectError): void {
    this.#messages?.abort(error);
    this.#writer?.stop();
  }

  onDrain(): void {
    this.#writer?.drained();
  }

  override onClose(): void {
    this.#writer?.stop();
    super.onClose();
  }
}

/** Whether an implementation made a stream. */
function isAsyncIterable(output: unknown): output is AsyncIterable<object> {
  return typeof output === "object" && output !== null && Symbol.asyncIterator in output;
}
