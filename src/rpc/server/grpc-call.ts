import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import type { Connection } from "../../core/connection.ts";
import { MeshError } from "../../core/errors.ts";
import type { HeaderSource } from "../../core/headers.ts";
import type { Service } from "../../core/service.ts";
import type { StreamHandler } from "../../http/http2/streams/stream.ts";
import type { ServedRequest } from "../../serve/inbound-request.ts";
import type { CallLifecycle } from "./call-lifecycle.ts";
import type { GrpcContext } from "./handler-context.ts";
import type { GrpcResponse } from "./response-trailers.ts";

/** One gRPC request as its headers say it, and what serves it. */
export interface GrpcCallInit {
  readonly lifecycle: CallLifecycle;
  readonly response: GrpcResponse;
  readonly operation: string;
  readonly headers: HeaderSource;
  readonly connection: Connection;
  readonly timeoutMs: number | undefined;
  readonly streaming: boolean;
}

/**
 * One RPC by native gRPC: what the server's layers know of it, and what follows its stream.
 *
 * The layers get the response while it is under way: no promise is made for it, and the call ends when the status is sent.
 */
export abstract class GrpcCall implements ServedRequest<GrpcResponse>, StreamHandler {
  readonly protocol = "grpc";
  readonly operation: string;
  readonly headers: HeaderSource;
  readonly connection: Connection;
  readonly timeoutMs: number | undefined;
  readonly streaming: boolean;
  protected readonly lifecycle: CallLifecycle;
  protected readonly response: GrpcResponse;
  protected readonly call: Call;
  /** Whether the handler's turn has come. */
  protected started = false;
  /** Whether the response is complete. */
  protected over = false;

  constructor(init: GrpcCallInit) {
    this.operation = init.operation;
    this.headers = init.headers;
    this.connection = init.connection;
    this.timeoutMs = init.timeoutMs;
    this.streaming = init.streaming;
    this.lifecycle = init.lifecycle;
    this.response = init.response;
    this.call = init.lifecycle.pipeline.open(this);
  }

  get progress(): number {
    const { stream } = this.response;
    return stream.allArrivedBytes + stream.allSentBytes;
  }

  get url(): string | undefined {
    return this.headers.get(":path") ?? undefined;
  }

  /** Sends the call through the server's layers. */
  serve(): void {
    const { call } = this;
    this.response.stream.handler = this;
    call.onCancel((reason) => this.fail(reason));
    try {
      const late = this.lifecycle.pipeline.serve(call, this);
      if (late instanceof Promise) late.catch((error: unknown) => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  respond(
    call: Call,
    next: Service<ServedRequest<GrpcResponse>, GrpcResponse>,
  ): GrpcResponse | Promise<GrpcResponse> {
    try {
      const result = next(call, this);
      if (!(result instanceof Promise)) return this.#passed();
      if (!this.started) this.hold();
      return result.then(
        () => this.#passed(),
        (error: unknown) => this.#failed(error),
      );
    } catch (error) {
      return this.#failed(error);
    }
  }

  handle(): GrpcResponse {
    this.started = true;
    this.start();
    return this.response;
  }

  /** Ends the RPC with an error. Never throws. */
  fail(thrown: unknown): void {
    if (this.over) return;
    this.over = true;
    this.settled(this.response.refuse(this.lifecycle, this.call, this.context, thrown));
  }

  #failed(error: unknown): GrpcResponse {
    this.fail(error);
    return this.response;
  }

  /** The layers have let the call through: a response without a handler is one that nobody can send. */
  #passed(): GrpcResponse {
    if (this.started || this.over) return this.response;
    return this.#failed(
      new TypeError(
        `Cannot serve ${this.operation}: a layer did not call the next one; throw to refuse a call`,
      ),
    );
  }

  /** What the handler may have written into; undefined when there is none. */
  protected abstract readonly context: GrpcContext | undefined;
  /** Begins the work. */
  protected abstract start(): void;
  /** Holds the body back until {@link start}: what is let in is decided before it is read. */
  protected abstract hold(): void;
  /** The response has ended with an error. */
  protected abstract settled(error: ConnectError): void;

  onHeaders(): void {
    // A server is given them before the call exists.
  }

  abstract onData(chunk: Uint8Array): void;

  onTrailers(): void {
    // gRPC knows none in requests.
  }

  abstract onEnd(): void;
  abstract onDrain(): void;

  /** The stream is gone: before the response was complete, that means that the client lost interest. */
  onClose(): void {
    if (this.over) return;
    this.call.cancel(new MeshError("ERR_CANCELLED", "The client cancelled the call or went away"));
  }
}

/** One RPC whose form is wrong, or whose path nobody serves; it passes the layers like any other. */
export class UnservedGrpcCall extends GrpcCall {
  protected readonly context = undefined;
  readonly #fault: ConnectError;

  constructor(init: GrpcCallInit, fault: ConnectError) {
    super(init);
    this.#fault = fault;
  }

  protected start(): void {
    throw this.#fault;
  }

  protected hold(): void {}

  protected settled(): void {}

  onData(): void {
    // Nobody reads it.
  }

  onEnd(): void {
    // The response does not depend on it.
  }

  onDrain(): void {
    // One block is all there is to send.
  }
}

/** The error of a request that its client broke off. */
export function incomplete(): ConnectError {
  return new ConnectError(
    "protocol error: the request ended in the middle of a message",
    Code.InvalidArgument,
  );
}
