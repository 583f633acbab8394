import type { DescMethodStreaming } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse } from "@connectrpc/connect";
import { h2 } from "../../http/http2/frame/frame-types.ts";
import type { Fields, Http2Stream, StreamHandler } from "../../http/http2/streams/stream.ts";
import { type DeadlineEntry, deadlinesOf } from "../../policy/deadline-wheel.ts";
import { checkResponse, endsWell, errorOfEnd } from "../dialect/error-trailers.ts";
import { headersOf, pendingTrailers } from "../dialect/lazy-headers.ts";
import { deadlineExceeded, errorFromCancel, orDeadline } from "../dialect/transport-faults.ts";
import { MessageReader } from "../message/message-reader.ts";
import { MessageWriter } from "../message/message-writer.ts";
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

/** What one streaming call is made of. */
export interface StreamInit {
  readonly config: ClientConfig;
  readonly plan: MethodPlan;
  readonly method: DescMethodStreaming;
  readonly headers: Fields;
  readonly messages: AsyncIterable<object>;
  readonly timeoutMs: number | undefined;
  readonly cancel: CancelSource | undefined;
}

/** One streaming call; its promise settles with the response's headers, its messages end with the status. */
export class StreamCall implements StreamHandler {
  readonly #init: StreamInit;
  readonly #resolve: (response: StreamResponse) => void;
  readonly #reject: (error: unknown) => void;
  readonly #trailer = pendingTrailers();
  #session: RpcConnection | undefined = undefined;
  #pending: PendingConnection<RpcConnection> | undefined = undefined;
  #stream: Http2Stream | undefined = undefined;
  #inbound: MessageReader | undefined = undefined;
  #outbound: MessageWriter | undefined = undefined;
  #headers: Fields | undefined = undefined;
  #trailers: Fields | undefined = undefined;
  #responded = false;
  #done = false;
  #deadline = Number.POSITIVE_INFINITY;
  #unwatch: (() => void) | undefined = undefined;
  #expiry: DeadlineEntry | undefined = undefined;

  constructor(
    init: StreamInit,
    resolve: (response: StreamResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#init = init;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Sends the call. */
  async start(): Promise<void> {
    const { config, timeoutMs, cancel } = this.#init;
    if (timeoutMs !== undefined) {
      this.#deadline = config.clock.now() + timeoutMs;
      this.#expiry = watchDeadline(config.clock, this.#deadline, cancel, () => this.fail(deadlineExceeded()));
    }
    if (cancel !== undefined) {
      this.#unwatch = watchCancel(cancel, (reason) => this.#cancelled(errorFromCancel(reason)));
    }
    if (this.#done) return;
    let session: RpcConnection;
    try {
      const taken = config.pool.take();
      if (taken instanceof PendingConnection) {
        this.#pending = taken;
        session = await taken.connection;
        this.#pending = undefined;
      } else {
        session = taken;
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : "no connection";
      this.fail(new ConnectError(message, Code.Unavailable, undefined, undefined, error));
      return;
    }
    if (this.#done) session.release();
    else this.#open(session);
  }

  #open(session: RpcConnection): void {
    const { config, plan, messages, headers } = this.#init;
    let stream: Http2Stream;
    try {
      stream = session.request(headers, this);
    } catch (error) {
      session.release();
      this.fail(error);
      return;
    }
    this.#session = session;
    this.#stream = stream;
    this.#inbound = new MessageReader({
      stream,
      codec: plan.output,
      maxBytes: config.maxReceiveBytes,
      onReturn: () => this.fail(new ConnectError("the call was cancelled by its reader", Code.Canceled)),
      onError: (error) => this.fail(error),
      onFinish: () => this.#unwatch?.(),
    });
    const outbound = new MessageWriter(stream, messages, plan.input);
    this.#outbound = outbound;
    outbound.send(config.encode).then(
      (all) => {
        if (all && !this.#done) stream.end();
      },
      (error: unknown) => this.fail(error),
    );
  }

  onHeaders(fields: Fields, ended: boolean): void {
    const inbound = this.#inbound;
    if (this.#done || inbound === undefined) return;
    this.#headers = fields;
    try {
      inbound.useCompression(checkResponse(fields, this.#init.config));
    } catch (error) {
      this.fail(error);
      return;
    }
    // A trailers-only response: when it states an error, the call itself fails with it.
    if (ended) {
      const error = errorOfEnd(fields, undefined, inbound);
      if (error !== undefined) {
        this.fail(error);
        return;
      }
    }
    this.#responded = true;
    const { method } = this.#init;
    this.#resolve({
      stream: true,
      service: method.parent,
      method,
      header: headersOf(fields),
      message: inbound as StreamResponse["message"],
      trailer: this.#trailer,
    });
  }

  onData(chunk: Uint8Array): void {
    if (!this.#done) this.#inbound?.push(chunk);
  }

  onTrailers(fields: Fields): void {
    this.#trailers = fields;
    this.#trailer.arrive(fields);
  }

  onEnd(): void {
    const inbound = this.#inbound;
    if (this.#done || inbound === undefined) return;
    const error = errorOfEnd(this.#headers ?? [], this.#trailers, inbound);
    this.#settle();
    // Messages that arrived before the status are still handed out.
    if (this.#responded) inbound.end(error);
    else this.#reject(error ?? new ConnectError("protocol error: missing headers", Code.Internal));
  }

  onDrain(): void {
    this.#outbound?.drained();
  }

  onClose(): void {
    const session = this.#session;
    const stream = this.#stream;
    session?.release();
    this.#outbound?.stop();
    if (this.#done || session === undefined || stream === undefined) return;
    if (endsWell(stream, this.#headers)) {
      this.onEnd();
      return;
    }
    const lost = session.errorOf(stream);
    const error = orDeadline(lost, this.#deadline - this.#init.config.clock.now());
    this.#settle();
    // What arrived before the connection broke is still handed out.
    if (this.#responded) this.#inbound?.end(error);
    else this.#reject(error);
  }

  /** Ends the call with an error; the first one stays. */
  fail(reason: unknown): void {
    if (this.#done) return;
    const error = ConnectError.from(readableError(reason), Code.Internal);
    this.#session?.givenUp(this.#stream, error);
    this.#settle();
    this.#unwatch?.();
    if (this.#responded) this.#inbound?.abort(error);
    else this.#reject(error);
  }

  /** Also a call of which everything has arrived is cancelled, as long as its reader has not read to the end. */
  #cancelled(error: ConnectError): void {
    if (this.#done) this.#inbound?.abort(error);
    else this.fail(error);
  }

  #settle(): void {
    this.#done = true;
    if (this.#expiry !== undefined) deadlinesOf(this.#init.config.clock).remove(this.#expiry);
    if (!this.#responded) this.#unwatch?.();
    this.#pending?.drop();
    const stream = this.#stream;
    if (stream !== undefined && !(stream.remoteEnded && stream.localEnded)) stream.close(h2.cancel);
    this.#outbound?.stop();
  }
}
