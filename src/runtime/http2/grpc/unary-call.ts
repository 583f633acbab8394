import type { ClientHttp2Stream } from "node:http2";
import type { DescMessage, DescMethodUnary, Message, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import { checkResponse, errorOfEnd } from "./answer.ts";
import { type CancelSource, watchCancel } from "./cancel.ts";
import type { ClientConfig, MethodPlan } from "./client-config.ts";
import { decodeMessageBody, type EncodedMessage, encodeMessage } from "./codec.ts";
import type { Compression } from "./compression.ts";
import { EnvelopeReader } from "./envelope.ts";
import { deadlineExceeded, errorFromCancel, h2, orDeadline, unavailable } from "./faults.ts";
import { headersOf } from "./metadata.ts";
import type { GrpcSession } from "./session.ts";
import { fieldOf, type HeaderBlock } from "./status.ts";
import { endWithMessage } from "./write.ts";

const kCall: unique symbol = Symbol("unary call");
type CallStream = ClientHttp2Stream & { [kCall]: UnaryCall };

// Listeners shared by all calls: a closure per event and call costs more than a property of the stream.
function onResponse(this: unknown, block: HeaderBlock, flags: number): void {
  (this as CallStream)[kCall].response(block, flags);
}
function onData(this: unknown, chunk: Uint8Array): void {
  (this as CallStream)[kCall].data(chunk);
}
function onTrailers(this: unknown, block: HeaderBlock): void {
  (this as CallStream)[kCall].trailersArrived(block);
}
function onClose(this: unknown): void {
  (this as CallStream)[kCall].closed();
}
function onError(this: unknown, error: unknown): void {
  (this as CallStream)[kCall].failed(error);
}

/** END_STREAM among the flags of a header block. */
const endStream = 1;
const noTrailers: HeaderBlock = {};

/** What one unary call is made of. */
export interface UnaryInit {
  readonly config: ClientConfig;
  readonly plan: MethodPlan;
  readonly method: DescMethodUnary;
  readonly headers: string[];
  readonly message: object;
  readonly timeoutMs: number | undefined;
  readonly cancel: AbortSignal | CancelSource | undefined;
}

/** One unary call: one frame out, one frame in, and no machinery in between. */
export class UnaryCall {
  readonly #init: UnaryInit;
  readonly #resolve: (response: UnaryResponse) => void;
  readonly #reject: (error: unknown) => void;
  readonly #reader: EnvelopeReader;
  #session: GrpcSession | undefined = undefined;
  #stream: ClientHttp2Stream | undefined = undefined;
  #headers: HeaderBlock | undefined = undefined;
  #trailers: HeaderBlock | undefined = undefined;
  #compression: Compression | undefined = undefined;
  /** Chunks that a runtime delivered before the headers. */
  #early: Uint8Array[] | undefined = undefined;
  #body: Uint8Array | undefined = undefined;
  #flags = 0;
  #done = false;
  #deadline = Number.POSITIVE_INFINITY;
  #unwatch: (() => void) | undefined = undefined;
  #stopTimer: (() => void) | undefined = undefined;

  constructor(init: UnaryInit, resolve: (response: UnaryResponse) => void, reject: (error: unknown) => void) {
    this.#init = init;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#reader = new EnvelopeReader(init.config.maxReceiveBytes, (flags, bytes) => {
      if (this.#body !== undefined) {
        throw new ConnectError(
          "protocol error: received extra output message for unary method",
          Code.Unimplemented,
        );
      }
      this.#flags = flags;
      this.#body = bytes;
    });
  }

  /** Sends the call. */
  start(): void {
    const { config, plan, message, timeoutMs, cancel } = this.#init;
    let encoded: EncodedMessage | Promise<EncodedMessage>;
    try {
      encoded = encodeMessage(plan.input, message, config.encode);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (timeoutMs !== undefined) {
      this.#deadline = config.clock.now() + timeoutMs;
      this.#stopTimer = config.clock.schedule(() => this.fail(deadlineExceeded()), timeoutMs);
    }
    if (cancel !== undefined) {
      this.#unwatch = watchCancel(cancel, (reason) => this.fail(errorFromCancel(reason)));
    }
    if (this.#done) return;
    const session = config.pool.take();
    if (encoded instanceof Promise || session instanceof Promise) void this.#sendLater(session, encoded);
    else this.#send(session, encoded);
  }

  async #sendLater(
    session: GrpcSession | Promise<GrpcSession>,
    encoded: EncodedMessage | Promise<EncodedMessage>,
  ): Promise<void> {
    let taken: GrpcSession;
    try {
      taken = await session;
    } catch (error) {
      const message = error instanceof Error ? error.message : "no connection";
      this.fail(new ConnectError(message, Code.Unavailable, undefined, undefined, error));
      return;
    }
    try {
      this.#send(taken, await encoded);
    } catch (error) {
      taken.release(undefined);
      this.fail(error);
    }
  }

  #send(session: GrpcSession, encoded: EncodedMessage): void {
    if (this.#done) {
      session.release(undefined);
      return;
    }
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(this.#init.headers);
    } catch (error) {
      session.release(undefined);
      this.fail(requestError(error));
      return;
    }
    (stream as CallStream)[kCall] = this;
    this.#session = session;
    this.#stream = stream;
    stream.on("response", onResponse as never);
    stream.on("data", onData);
    stream.on("trailers", onTrailers as never);
    stream.on("close", onClose);
    stream.on("error", onError);
    endWithMessage(stream, encoded);
  }

  response(block: HeaderBlock, flags: number): void {
    if (this.#done) return;
    this.#session?.heard();
    this.#headers = block;
    try {
      this.#compression = checkResponse(block, this.#init.config.format);
      if (this.#early !== undefined) for (const chunk of this.#early) this.#reader.push(chunk);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#early = undefined;
    if ((flags & endStream) !== 0) this.#finish();
  }

  data(chunk: Uint8Array): void {
    if (this.#done) return;
    if (this.#headers === undefined) {
      this.#early ??= [];
      this.#early.push(chunk);
      return;
    }
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.fail(error);
    }
  }

  trailersArrived(block: HeaderBlock): void {
    this.#trailers = block;
    // Without a whole message yet, the rest may still be on its way through the runtime.
    const complete = this.#body !== undefined && this.#reader.atBoundary;
    if (this.#headers !== undefined && (complete || fieldOf(block, "grpc-status") !== "0")) this.#finish();
  }

  failed(_error: unknown): void {
    // "close" follows and judges by the reset code and the session's state.
  }

  closed(): void {
    const stream = this.#stream!;
    const session = this.#session!;
    session.release(stream.id);
    if (this.#done) return;
    const headers = this.#headers;
    const stated = this.#trailers !== undefined || (headers !== undefined && fieldOf(headers, "grpc-status"));
    // Without a status, an end between two messages is the server's fault, and one inside of a message the network's.
    const clean = stream.rstCode === 0 && !session.http2.destroyed && this.#reader.atBoundary;
    if (headers !== undefined && (stated || clean)) this.#finish();
    else this.fail(orDeadline(session.errorOf(stream), this.#deadline - this.#init.config.clock.now()));
  }

  #finish(): void {
    const headers = this.#headers ?? noTrailers;
    const error = errorOfEnd(headers, this.#trailers, this.#reader.started);
    const body = this.#body;
    if (error !== undefined) {
      this.fail(error);
    } else if (!this.#reader.atBoundary) {
      this.fail(
        new ConnectError("protocol error: the answer ended in the middle of a message", Code.Internal),
      );
    } else if (body === undefined) {
      this.fail(
        new ConnectError("protocol error: missing output message for unary method", Code.Unimplemented),
      );
    } else {
      this.#deliver(headers, body);
    }
  }

  #deliver(headers: HeaderBlock, body: Uint8Array): void {
    const { config, plan } = this.#init;
    let message: Message | Promise<Message>;
    try {
      message = decodeMessageBody(plan.output, this.#flags, body, this.#compression, config.maxReceiveBytes);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (message instanceof Promise) {
      message.then(
        (done) => this.#succeed(headers, done),
        (error: unknown) => this.fail(error),
      );
    } else {
      this.#succeed(headers, message);
    }
  }

  #succeed(headers: HeaderBlock, message: Message): void {
    if (this.#done) return;
    this.#settle();
    const { method } = this.#init;
    this.#resolve({
      stream: false,
      service: method.parent,
      method,
      header: headersOf(headers),
      message: message as MessageShape<DescMessage>,
      trailer: headersOf(this.#trailers ?? noTrailers),
    });
  }

  /** Ends the call with an error; the first one stays. */
  fail(error: unknown): void {
    if (this.#done) return;
    this.#session?.givenUp();
    this.#settle();
    this.#reject(ConnectError.from(error, Code.Internal));
  }

  #settle(): void {
    this.#done = true;
    this.#stopTimer?.();
    this.#unwatch?.();
    const stream = this.#stream;
    // The server may have answered before it took the whole request.
    if (
      stream !== undefined &&
      !stream.closed &&
      (this.#trailers === undefined || !stream.writableFinished)
    ) {
      stream.close(h2.cancel);
    }
  }
}

/** The error of a request that the runtime refused to send, for its headers or for its session's state. */
export function requestError(error: unknown): ConnectError {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown }).code;
  if (code === "ERR_HTTP2_INVALID_SESSION" || code === "ERR_HTTP2_GOAWAY_SESSION") {
    return unavailable(message, "never-started", error);
  }
  return new ConnectError(message, Code.Internal, undefined, undefined, error);
}
