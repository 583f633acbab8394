import type { ClientHttp2Stream } from "node:http2";
import type { DescMethodStreaming } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse } from "@connectrpc/connect";
import { checkResponse, errorOfEnd } from "./answer.ts";
import { type CancelSource, watchCancel } from "./cancel.ts";
import type { ClientConfig, MethodPlan } from "./client-config.ts";
import { deadlineExceeded, errorFromCancel, h2, orDeadline } from "./faults.ts";
import { InboundMessages } from "./inbound.ts";
import { headersOf, pendingTrailers } from "./metadata.ts";
import { OutboundMessages } from "./outbound.ts";
import type { GrpcSession } from "./session.ts";
import { fieldOf, type HeaderBlock } from "./status.ts";
import { requestError } from "./unary-call.ts";

/** END_STREAM among the flags of a header block. */
const endStream = 1;

/** What one streaming call is made of. */
export interface StreamInit {
  readonly config: ClientConfig;
  readonly plan: MethodPlan;
  readonly method: DescMethodStreaming;
  readonly headers: string[];
  readonly messages: AsyncIterable<object>;
  readonly timeoutMs: number | undefined;
  readonly cancel: AbortSignal | CancelSource | undefined;
}

/** One streaming call; its promise settles with the answer's headers, its messages end with the status. */
export class StreamCall {
  readonly #init: StreamInit;
  readonly #resolve: (response: StreamResponse) => void;
  readonly #reject: (error: unknown) => void;
  readonly #trailer = pendingTrailers();
  #session: GrpcSession | undefined = undefined;
  #stream: ClientHttp2Stream | undefined = undefined;
  #inbound: InboundMessages | undefined = undefined;
  #outbound: OutboundMessages | undefined = undefined;
  #headers: HeaderBlock | undefined = undefined;
  #trailers: HeaderBlock | undefined = undefined;
  #early: Uint8Array[] = [];
  #answered = false;
  #done = false;
  #deadline = Number.POSITIVE_INFINITY;
  #readableEnded = false;
  #unwatch: (() => void) | undefined = undefined;
  #stopTimer: (() => void) | undefined = undefined;

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
      this.#stopTimer = config.clock.schedule(() => this.fail(deadlineExceeded()), timeoutMs);
    }
    if (cancel !== undefined) {
      this.#unwatch = watchCancel(cancel, (reason) => this.fail(errorFromCancel(reason)));
    }
    if (this.#done) return;
    let session: GrpcSession;
    try {
      const taken = config.pool.take();
      session = taken instanceof Promise ? await taken : taken;
    } catch (error) {
      const message = error instanceof Error ? error.message : "no connection";
      this.fail(new ConnectError(message, Code.Unavailable, undefined, undefined, error));
      return;
    }
    if (this.#done) session.release(undefined);
    else this.#open(session);
  }

  #open(session: GrpcSession): void {
    const { config, plan, messages, headers } = this.#init;
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(headers);
    } catch (error) {
      session.release(undefined);
      this.fail(requestError(error));
      return;
    }
    this.#session = session;
    this.#stream = stream;
    this.#inbound = new InboundMessages({
      stream,
      codec: plan.output,
      maxBytes: config.maxReceiveBytes,
      onReturn: () => this.fail(new ConnectError("the call was cancelled by its reader", Code.Canceled)),
      onError: (error) => this.fail(error),
    });
    stream.on("response", (block, flags) => this.#response(block as HeaderBlock, flags));
    stream.on("data", (chunk: Uint8Array) => this.#data(chunk));
    stream.on("trailers", (block) => {
      this.#trailers = block as HeaderBlock;
      if (this.#readableEnded) this.#finish();
    });
    stream.on("end", () => {
      this.#readableEnded = true;
      if (this.#trailers !== undefined) this.#finish();
    });
    stream.on("error", () => {});
    stream.on("close", () => this.#closed());
    const outbound = new OutboundMessages(stream, messages, plan.input);
    this.#outbound = outbound;
    outbound.send(config.encode).then(
      (all) => {
        if (all && !this.#done) stream.end();
      },
      (error: unknown) => this.fail(ConnectError.from(error, Code.Internal)),
    );
  }

  #response(block: HeaderBlock, flags: number): void {
    if (this.#done) return;
    this.#session?.heard();
    this.#headers = block;
    try {
      this.#inbound?.useCompression(checkResponse(block, this.#init.config.format));
    } catch (error) {
      this.fail(error);
      return;
    }
    // A trailers-only answer: when it states an error, the call itself fails with it.
    if ((flags & endStream) !== 0) {
      const error = errorOfEnd(block, undefined, false);
      if (error !== undefined) {
        this.fail(error);
        return;
      }
    }
    this.#answered = true;
    const { method } = this.#init;
    this.#resolve({
      stream: true,
      service: method.parent,
      method,
      header: headersOf(block),
      message: this.#inbound as StreamResponse["message"],
      trailer: this.#trailer,
    });
    for (const chunk of this.#early) this.#inbound?.push(chunk);
    this.#early = [];
  }

  #data(chunk: Uint8Array): void {
    if (this.#done) return;
    if (this.#headers === undefined) {
      this.#early.push(chunk);
    } else {
      this.#session?.heard();
      this.#inbound?.push(chunk);
    }
  }

  #closed(): void {
    const stream = this.#stream!;
    const session = this.#session!;
    session.release(stream.id);
    if (this.#done) return;
    const headers = this.#headers;
    const inbound = this.#inbound!;
    const stated = this.#trailers !== undefined || (headers !== undefined && fieldOf(headers, "grpc-status"));
    // Without a status, an end between two messages is the server's fault, and one inside of a message the network's.
    const clean = stream.rstCode === 0 && !session.http2.destroyed && inbound.atBoundary;
    if (headers !== undefined && (stated || clean)) {
      this.#finish();
      return;
    }
    const lost = session.errorOf(stream);
    const error = orDeadline(lost, this.#deadline - this.#init.config.clock.now());
    this.#settle();
    // What arrived before the connection broke is still handed out.
    if (this.#answered) inbound.end(error);
    else this.#reject(error);
  }

  #finish(): void {
    if (this.#done) return;
    const inbound = this.#inbound!;
    if (this.#trailers !== undefined) this.#trailer.arrive(this.#trailers);
    let error = errorOfEnd(this.#headers ?? {}, this.#trailers, inbound.started);
    if (error === undefined && !inbound.atBoundary) {
      error = new ConnectError("protocol error: the answer ended in the middle of a message", Code.Internal);
    }
    this.#settle();
    // Messages that arrived before the status are still handed out.
    if (this.#answered) inbound.end(error);
    else this.#reject(error ?? new ConnectError("protocol error: missing headers", Code.Internal));
  }

  /** Ends the call with an error; the first one stays. */
  fail(reason: unknown): void {
    if (this.#done) return;
    const error = ConnectError.from(reason, Code.Internal);
    this.#session?.givenUp();
    this.#settle();
    if (this.#answered) this.#inbound?.abort(error);
    else this.#reject(error);
  }

  #settle(): void {
    this.#done = true;
    this.#stopTimer?.();
    this.#unwatch?.();
    const stream = this.#stream;
    if (stream !== undefined && !stream.closed && (this.#trailers === undefined || !stream.writableEnded)) {
      stream.close(h2.cancel);
    }
    this.#outbound?.stop();
  }
}
