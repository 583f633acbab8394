import type { DescMessage, DescMethodUnary, Message, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import { h2 } from "../../http/http2/frame/frame-types.ts";
import type { Fields, Http2Stream, StreamHandler } from "../../http/http2/streams/stream.ts";
import { type DeadlineEntry, deadlinesOf } from "../../policy/deadline-wheel.ts";
import { checkResponse, endsWell, errorOfEnd } from "../dialect/error-trailers.ts";
import { headersOf } from "../dialect/lazy-headers.ts";
import { deadlineExceeded, errorFromCancel, orDeadline } from "../dialect/transport-faults.ts";
import { decodeMessageBody, type EncodedMessage, encodeMessage } from "../message/codec.ts";
import type { Compression } from "../message/compression.ts";
import { EnvelopeReader } from "../message/envelope.ts";
import { PendingConnection } from "./connection-queue.ts";
import {
  type CancelSource,
  type ClientConfig,
  type MethodPlan,
  watchCancel,
  watchDeadline,
} from "./grpc-client-options.ts";
import { readableError } from "./readable-error.ts";
import type { RpcConnection } from "./rpc-connection.ts";

const noFields: Fields = [];

/** What one unary call is made of. */
export interface UnaryInit {
  readonly config: ClientConfig;
  readonly plan: MethodPlan;
  readonly method: DescMethodUnary;
  readonly headers: Fields;
  readonly message: object;
  readonly timeoutMs: number | undefined;
  readonly cancel: CancelSource | undefined;
}

/** One unary call: one frame out, one frame in, and no machinery in between. */
export class UnaryCall implements StreamHandler {
  readonly #init: UnaryInit;
  readonly #resolve: (response: UnaryResponse) => void;
  readonly #reject: (error: unknown) => void;
  readonly #reader: EnvelopeReader;
  #session: RpcConnection | undefined = undefined;
  #pending: PendingConnection<RpcConnection> | undefined = undefined;
  #stream: Http2Stream | undefined = undefined;
  #headers: Fields | undefined = undefined;
  #trailers: Fields | undefined = undefined;
  #compression: Compression | undefined = undefined;
  #body: Uint8Array | undefined = undefined;
  #flags = 0;
  #done = false;
  #deadline = Number.POSITIVE_INFINITY;
  #unwatch: (() => void) | undefined = undefined;
  #expiry: DeadlineEntry | undefined = undefined;

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
      this.#expiry = watchDeadline(config.clock, this.#deadline, cancel, () => this.fail(deadlineExceeded()));
    }
    if (cancel !== undefined) {
      this.#unwatch = watchCancel(cancel, (reason) => this.fail(errorFromCancel(reason)));
    }
    if (this.#done) return;
    const session = config.pool.take();
    if (session instanceof PendingConnection) {
      this.#pending = session;
      // Nobody looks at it when the call ends before it has a session.
      if (encoded instanceof Promise) encoded.catch(() => {});
      // Never rejects: the call fails instead.
      void this.#sendLater(session.connection, encoded);
    } else if (encoded instanceof Promise) {
      // As above.
      void this.#sendLater(session, encoded);
    } else {
      this.#send(session, encoded);
    }
  }

  async #sendLater(
    session: RpcConnection | Promise<RpcConnection>,
    encoded: EncodedMessage | Promise<EncodedMessage>,
  ): Promise<void> {
    let taken: RpcConnection;
    try {
      taken = await session;
    } catch (error) {
      const message = error instanceof Error ? error.message : "no connection";
      this.fail(new ConnectError(message, Code.Unavailable, undefined, undefined, error));
      return;
    }
    this.#pending = undefined;
    try {
      this.#send(taken, await encoded);
    } catch (error) {
      taken.release();
      this.fail(error);
    }
  }

  #send(session: RpcConnection, encoded: EncodedMessage): void {
    if (this.#done) {
      session.release();
      return;
    }
    let stream: Http2Stream;
    try {
      stream = session.request(this.#init.headers, this);
    } catch (error) {
      session.release();
      this.fail(error);
      return;
    }
    this.#session = session;
    this.#stream = stream;
    stream.writeMessage(encoded.flags, encoded.bytes, true);
  }

  onHeaders(fields: Fields): void {
    if (this.#done) return;
    this.#headers = fields;
    try {
      this.#compression = checkResponse(fields, this.#init.config);
    } catch (error) {
      this.fail(error);
    }
  }

  onData(chunk: Uint8Array): void {
    if (this.#done) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.fail(error);
    }
  }

  onTrailers(fields: Fields): void {
    this.#trailers = fields;
  }

  onEnd(): void {
    if (this.#done) return;
    const headers = this.#headers ?? noFields;
    const error = errorOfEnd(headers, this.#trailers, this.#reader);
    const body = this.#body;
    if (error !== undefined) {
      this.fail(error);
    } else if (body === undefined) {
      this.fail(
        new ConnectError("protocol error: missing output message for unary method", Code.Unimplemented),
      );
    } else {
      this.#deliver(headers, body);
    }
  }

  onDrain(): void {
    // One message is all there is to send.
  }

  onClose(): void {
    const session = this.#session;
    session?.release();
    const stream = this.#stream;
    if (this.#done || session === undefined || stream === undefined) return;
    if (endsWell(stream, this.#headers)) this.onEnd();
    else this.fail(orDeadline(session.errorOf(stream), this.#deadline - this.#init.config.clock.now()));
  }

  #deliver(headers: Fields, body: Uint8Array): void {
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

  #succeed(headers: Fields, message: Message): void {
    if (this.#done) return;
    this.#settle();
    const { method } = this.#init;
    this.#resolve({
      stream: false,
      service: method.parent,
      method,
      header: headersOf(headers),
      message: message as MessageShape<DescMessage>,
      trailer: headersOf(this.#trailers ?? noFields),
    });
  }

  /** Ends the call with an error; the first one stays. */
  fail(error: unknown): void {
    if (this.#done) return;
    const shown = ConnectError.from(readableError(error), Code.Internal);
    this.#session?.givenUp(this.#stream, shown);
    this.#settle();
    this.#reject(shown);
  }

  #settle(): void {
    this.#done = true;
    if (this.#expiry !== undefined) deadlinesOf(this.#init.config.clock).remove(this.#expiry);
    this.#unwatch?.();
    this.#pending?.drop();
    const stream = this.#stream;
    // The server may have responded before it took the whole request.
    if (stream !== undefined && !(stream.remoteEnded && stream.localEnded)) stream.close(h2.cancel);
  }
}
