import type { Call } from "../core/call.ts";
import { outcomeOfCancelledCall } from "../core/classifier.ts";
import type { Connection } from "../core/connection.ts";
import { MeshError } from "../core/errors.ts";
import { type HeaderSource, meshHeaders } from "../core/headers.ts";
import { quietHook } from "../core/hooks.ts";
import { checkOptions, type OptionKeys } from "../core/options.ts";
import type { Service } from "../core/service.ts";
import { problemContentType, problemFromError } from "../http/problem.ts";
import { outcomeOfStatus } from "../http/status-outcome.ts";
import type { ServedRequest } from "./inbound-request.ts";
import { methodLabel } from "./method.ts";
import type { RequestPipeline } from "./request-pipeline.ts";
import type { ServerCall } from "./server-call.ts";

/** What emits events; Node's `EventEmitter`. */
export interface Emitter {
  emit(event: string | symbol, ...args: unknown[]): boolean;
}

/** A request of `node:http`, as far as a bridge looks at it. */
export interface NodeRequest extends Emitter {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersion?: string;
  readonly socket?: {
    readonly remoteAddress?: string | undefined;
    readonly bytesRead?: number;
    readonly bytesWritten?: number;
  };
}

/** A response of `node:http`, as far as a bridge looks at it. */
export interface NodeResponse extends Emitter {
  statusCode: number;
  readonly headersSent: boolean;
  readonly writableFinished: boolean;
  setHeader(name: string, value: string): unknown;
  end(text: string): unknown;
  once(event: string, listener: () => void): unknown;
}

/**
 * A middleware of Express, a hook of Fastify (`onRequest`), and what a listener of `node:http` calls around its work.
 *
 * @example
 * ```ts
 * const bridge = mesh.bridge();
 * express().use(bridge);
 * fastify().addHook("onRequest", bridge);
 * createServer((request, response) => bridge(request, response, () => serve(request, response)));
 * ```
 */
export type Bridge = (
  request: NodeRequest | { readonly raw: NodeRequest },
  response: NodeResponse | { readonly raw: NodeResponse },
  next: (error?: Error) => void,
) => void;

/** Options of {@link createBridge}. */
export interface BridgeOptions {
  /** Counts and times the requests; its security and limits are not for them. */
  readonly pipeline: RequestPipeline;
  /** Makes the call the current one. */
  readonly asyncContext: { run<T>(call: Call, task: () => T): T };
  /** Told of what a handler throws when nobody else can hear of it. @default nobody is */
  readonly onError?: (error: unknown, call: Call) => void;
}

const knownBridgeOptions: OptionKeys<BridgeOptions> = {
  pipeline: true,
  asyncContext: true,
  onError: true,
};

/**
 * Makes the bridge by which requests that another server takes become calls of the mesh: what their handlers call inherits
 * request id, trace, priority, deadline and cancellation.
 *
 * It lets everybody in, since security and limits are the other framework's there, and cuts no response off. The deadline of
 * what the handlers call is the one that the client grants (`mesh-timeout-ms`), or `timeoutMs` of the server's options where
 * that is set; as with streams, `idleTimeoutMs` bounds how long nothing may move on the connection.
 *
 * @throws TypeError for an option that does not exist
 */
export function createBridge(options: BridgeOptions): Bridge {
  checkOptions("createBridge()", options, knownBridgeOptions);
  const { pipeline, asyncContext } = options;
  const onError = options.onError && quietHook(options.onError);
  const calls = new WeakMap<object, Call>();

  return function bridge(request, response, next) {
    const nodeRequest = "raw" in request ? request.raw : request;
    const nodeResponse = "raw" in response ? response.raw : response;
    const known = calls.get(nodeRequest);
    if (known !== undefined) {
      asyncContext.run(known, next);
      return;
    }
    const bridged = new BridgedRequest(
      request as RoutedByFramework,
      nodeRequest,
      nodeResponse,
      onError,
      (call) => {
        calls.set(nodeRequest, call);
        // Events come from the socket, and would not be told within the context: those of a body's reader for one.
        for (const emitter of [nodeRequest, nodeResponse]) bind(emitter, asyncContext, call);
        asyncContext.run(call, next);
      },
    );
    bridged.serve(pipeline);
  };
}

function bind(emitter: Emitter, scope: BridgeOptions["asyncContext"], call: Call): void {
  const { emit } = emitter;
  emitter.emit = (...args) => scope.run(call, () => emit.apply(emitter, args));
}

/** Where Express and Fastify say which route a request has taken. */
interface RoutedByFramework {
  readonly route?: { readonly path?: unknown };
  readonly routeOptions?: { readonly url?: unknown };
}

/** One request of another server. */
class BridgedRequest implements ServedRequest<BridgedRequest> {
  readonly protocol = "rest";
  /** Nobody is kept out here. */
  readonly exempt = true;
  /** How long the response takes is not for the default time limit to say. */
  readonly streaming = true;
  readonly operation: string;
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly connection: Connection;
  readonly headers: HeaderSource;
  readonly #socket: NodeRequest["socket"];
  readonly #routed: RoutedByFramework;
  readonly #response: NodeResponse;
  readonly #proceed: (call: Call) => void;
  readonly #onError: BridgeOptions["onError"];
  /** What the handler threw. */
  #thrown: { readonly error: unknown } | undefined;

  constructor(
    routed: RoutedByFramework,
    request: NodeRequest,
    response: NodeResponse,
    onError: BridgeOptions["onError"],
    proceed: (call: Call) => void,
  ) {
    this.#onError = onError;
    this.#routed = routed;
    this.#response = response;
    this.#proceed = proceed;
    this.operation = methodLabel(request.method ?? "GET");
    this.method = request.method;
    this.url = request.url;
    const { headers, socket, httpVersion = "" } = request;
    this.#socket = socket;
    this.headers = { get: (name) => textOf(headers[name]) };
    this.connection = {
      remoteAddress: socket?.remoteAddress ?? "",
      encrypted: (socket as { encrypted?: unknown } | undefined)?.encrypted === true,
      httpVersion: httpVersion === "2.0" ? "2" : httpVersion,
      peer: undefined,
    };
  }

  /** It stands for its response as well, which is another server's. */
  get status(): number {
    return this.#response.statusCode;
  }

  get progress(): number {
    const { bytesRead = Number.NaN, bytesWritten = Number.NaN } = this.#socket ?? {};
    // Where that is not known it is no number, which never equals itself: as if something moved.
    return bytesRead + bytesWritten;
  }

  serve(pipeline: RequestPipeline): void {
    const call = pipeline.open(this);
    const response = this.#response;
    const finished = (): void => {
      if (call.outcome !== undefined) return;
      call.operation = this.#route();
      call.end(outcomeOfStatus(response.statusCode, noHeaders));
    };
    response.once("finish", finished);
    response.once("close", () => {
      if (response.writableFinished) finished();
      call.cancel(new MeshError("ERR_CANCELLED", "The client went away"));
      const cancelled = outcomeOfCancelledCall(call);
      if (cancelled !== undefined) call.end(cancelled);
    });
    if (!response.headersSent) response.setHeader(meshHeaders.requestId, call.requestId);
    try {
      const late = pipeline.serve<BridgedRequest>(call, this);
      if (!(late instanceof Promise)) return;
      // A layer of the application's takes its time, and maybe more than there is.
      call.onKnownCancel((reason) => this.#refuse(call, reason));
      late.catch((error: unknown) => {
        if (this.#thrown?.error !== error) return this.#refuse(call, error);
        // A layer has kept it: its server has returned from the request, and would never hear of it.
        this.#onError?.(error, call);
        this.#respond(call, error);
      });
    } catch (error) {
      // What the handler throws is its server's to deal with, as it would be without the bridge.
      if (call.handled) throw error;
      this.#refuse(call, error);
    }
  }

  handle(call: Call): BridgedRequest {
    try {
      this.#proceed(call);
    } catch (error) {
      this.#thrown = { error };
      throw error;
    }
    return this;
  }

  respond(
    call: Call,
    next: Service<ServedRequest<BridgedRequest>, BridgedRequest>,
  ): BridgedRequest | Promise<BridgedRequest> {
    return next(call, this);
  }

  /** Responds for a handler that is not reached: a layer refuses the request, or its time was up when it came. */
  #refuse(call: ServerCall, error: unknown): void {
    if (!call.handled) this.#respond(call, error);
  }

  #respond(call: Call, error: unknown): void {
    const response = this.#response;
    if (response.headersSent) return;
    const problem = problemFromError(error, { instance: call.requestId, expose: false });
    response.statusCode = problem.status;
    response.setHeader("content-type", problemContentType);
    response.end(JSON.stringify(problem));
  }

  /** `GET /datasets/:name`, as the router has it that took the request; only the method where it is not known. */
  #route(): string {
    const { route, routeOptions } = this.#routed;
    const path = routeOptions === undefined ? route?.path : routeOptions.url;
    return typeof path === "string" ? `${this.operation} ${path}` : this.operation;
  }
}

const noHeaders: HeaderSource = { get: () => null };

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "object" ? value.join(", ") : value;
}
