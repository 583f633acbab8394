import type { Context } from "hono";
import type { Call } from "../core/call.ts";
import { outcomeOfMeshError } from "../core/classifier.ts";
import { isMeshError, type MeshError } from "../core/errors.ts";
import { type HeaderSource, meshHeaders } from "../core/headers.ts";
import type { Service } from "../core/service.ts";
import { problem } from "../http/problem.ts";
import { outcomeOfStatus } from "../http/status-outcome.ts";
import { isFromUpstream } from "../rpc/server/upstream-error.ts";
import type { Cors } from "../serve/cors.ts";
import type { InboundRequest, ServedRequest } from "../serve/inbound-request.ts";
import { isUnservable } from "../serve/method.ts";
import type { RequestPipeline } from "../serve/request-pipeline.ts";
import type { ServerCall } from "../serve/server-call.ts";
import { connectionOf, type MeshEnv } from "./env.ts";
import { errorResponse, explainSyntaxError, problemResponse } from "./error-response.ts";
import { type LimitedRequest, type ListenedRequest, limitBody } from "./limited-body.ts";
import {
  bodyStreamOf,
  checkResponse,
  discard,
  discardReplaced,
  dropDecoded,
  trackBody,
} from "./response-stream.ts";
import type { RouteInfo } from "./route-info.ts";

/** Carries the current call through a handler's awaits; the runtime's async context is one. */
export interface CallScope {
  run<T>(call: Call, task: () => T): T;
}

/** What an app is served with. */
export interface AppParts {
  readonly pipeline: RequestPipeline;
  readonly bodyLimitBytes: number;
  readonly scope: CallScope | undefined;
  /** The refusal of a method that no handler may see. */
  readonly refuseMethod: (method: string, path: string) => MeshError;
  /** Told of errors that the caller is told nothing about; never throws. */
  readonly onError: ((error: unknown, call: Call) => void) | undefined;
}

const noHeaders: HeaderSource = { get: () => null };

/**
 * One REST request on its way through the server's layers to its route, and its response on the way back.
 *
 * One object and not several middlewares, because each middleware costs a promise and a closure, and several of
 * them a copy of the response. It responds synchronously when nothing on the way is asynchronous.
 */
export abstract class RoutedRequest implements ServedRequest<Response> {
  readonly protocol = "rest";
  readonly operation: string;
  readonly connection: InboundRequest["connection"];
  /** Whether it is a CORS preflight, which is responded to before security. */
  readonly exempt: boolean;
  protected readonly c: Context<MeshEnv>;
  /** The response of the route, which a layer around it may still keep from being sent. */
  protected produced: Response | undefined;
  protected limited: LimitedRequest | undefined;
  readonly #parts: AppParts;
  readonly #route: RouteInfo;
  readonly #request: Request;
  readonly #call: ServerCall;
  readonly #cors: Cors | undefined;
  /** Pieces of the response that have passed. */
  #pieces = 0;
  /** What the client gets, once that is decided. */
  #response: Response | undefined;

  constructor(parts: AppParts, c: Context<MeshEnv>, route: RouteInfo) {
    const request = c.req.raw;
    this.c = c;
    this.#parts = parts;
    this.#route = route;
    this.#request = request;
    this.#cors = parts.pipeline.cors;
    this.exempt = this.#cors?.isPreflight(request.method, request.headers) === true;
    this.operation = this.exempt ? "preflight" : route.operation;
    this.connection = connectionOf(c.env);
    this.#call = parts.pipeline.open(this);
    this.#call.pipeline = parts.pipeline;
    c.set("call", this.#call);
  }

  get headers(): HeaderSource {
    return this.#request.headers;
  }

  get method(): string {
    return this.#request.method;
  }

  get url(): string {
    return this.#request.url;
  }

  /** Looked at only if somebody asks: it costs as much as the rest of the layers. */
  get signal(): AbortSignal {
    return this.#request.signal;
  }

  /** Whether the body of the request is being read as a stream, as far as that can be seen. */
  get streaming(): boolean {
    return (this.limited ?? (this.#request as ListenedRequest)).streamed === true;
  }

  get progress(): number {
    const { receivedBytes = 0 } = this.limited ?? (this.#request as ListenedRequest);
    return receivedBytes + this.#pieces;
  }

  /** Runs the route, and leaves its response in `produced` as well; its own errors come out. */
  protected abstract run(): Response | Promise<Response>;

  /** The application's own response to an error; undefined to leave it to the mesh. */
  protected abstract respondTo(error: unknown): Response | Promise<Response> | undefined;

  /** Makes the response. Never throws, and the promise that it may return never rejects. */
  serve(): Response | Promise<Response> {
    try {
      return this.#parts.pipeline.serve(this.#call, this);
    } catch (error) {
      return this.#refuse(error);
    }
  }

  respond(_call: Call, next: Service<ServedRequest<Response>, Response>): Response | Promise<Response> {
    try {
      const result = next(this.#call, this);
      return result instanceof Promise ? this.#await(result) : this.#finish(result);
    } catch (error) {
      const own = this.#fail(error);
      return own instanceof Promise ? this.#await(own) : own;
    }
  }

  /** Waits for the handler, or for the application's response to its error, but not past the deadline. */
  #await(result: Promise<Response>): Promise<Response> {
    return new Promise((resolve) => {
      this.#call.onKnownCancel((reason) => {
        if (isMeshError(reason, "ERR_DEADLINE_EXCEEDED")) resolve(this.#refuse(reason));
      });
      result.then(
        (response) => resolve(this.#finish(response)),
        (error: unknown) => {
          const own = this.#fail(error);
          // It may take until the deadline as well.
          if (own instanceof Promise) own.then(resolve);
          else resolve(own);
        },
      );
    });
  }

  /** Past the layers: the body's size, then the route. */
  handle(): Response | Promise<Response> {
    const { scope, bodyLimitBytes, refuseMethod } = this.#parts;
    const request = this.#request;
    if (this.#cors !== undefined && this.exempt) {
      return new Response(null, { status: 204, headers: this.#cors.preflight(request.headers, "rest") });
    }
    const { method } = request;
    if (method !== "GET" && method !== "HEAD") {
      if (isUnservable(method)) throw refuseMethod(method, this.c.req.path);
      this.limited = limitBody(request, this.#route.bodyLimitBytes ?? bodyLimitBytes);
      if (this.limited !== undefined) this.c.req.raw = this.limited.request;
    }
    return scope === undefined ? this.run() : scope.run(this.#call, () => this.run());
  }

  /** Takes a response; a value that is not one, or cannot be sent, becomes a 500. */
  #finish(response: Response): Response {
    if (this.#response !== undefined) {
      // It comes too late: the deadline has passed.
      if (response !== this.#response) discard(response);
      return this.#response;
    }
    const call = this.#call;
    try {
      checkResponse(response, this.operation);
      discardReplaced(this.produced, response);
      const dressed = this.#dress(response);
      dropDecoded(response, dressed.headers);
      const outcome = outcomeOfStatus(dressed.status, noHeaders);
      const stream = this.#request.method === "HEAD" ? undefined : bodyStreamOf(dressed, response.url !== "");
      if (stream === undefined) {
        this.#response = dressed;
        call.end(outcome);
        // Hono sends only the head, and would leave the body neither read nor cancelled.
        if (this.#request.method === "HEAD") discard(dressed);
      } else {
        call.streams();
        const body = trackBody(stream, {
          call,
          complete: outcome,
          headers: dressed.headers,
          onPiece: () => {
            this.#pieces++;
          },
          onFailure: (error) => this.#report(error),
        });
        this.#response = new Response(body, dressed);
      }
      return this.#response;
    } catch (error) {
      return this.#refuse(error);
    }
  }

  /** The application's own response to an error, else the mesh's. */
  #fail(thrown: unknown): Response | Promise<Response> {
    if (this.#response !== undefined) return this.#response;
    try {
      const { knownReason } = this.#call;
      // Time that is up is not the application's to respond to.
      if (isMeshError(knownReason, "ERR_DEADLINE_EXCEEDED")) return this.#refuse(knownReason);
      const error = this.#cause(thrown);
      if (!(error instanceof SyntaxError)) return this.#own(error);
      // Without the body there is nothing to explain the error with.
      return explainSyntaxError(this.c, error).then(
        (explained) => this.#own(explained),
        () => this.#own(error),
      );
    } catch (error) {
      return this.#refuse(error);
    }
  }

  #own(error: unknown): Response | Promise<Response> {
    try {
      const own = this.respondTo(error);
      if (own === undefined) return this.#refuse(error);
      if (!(own instanceof Promise)) return this.#finish(own);
      return own.then(
        (response) => this.#finish(response),
        (worse: unknown) => this.#refuse(worse),
      );
    } catch (worse) {
      return this.#refuse(worse);
    }
  }

  /** What really happened: reading a body that is too large, or working for a client that left, fails in many ways. */
  #cause(thrown: unknown): unknown {
    if (this.limited?.overflow !== undefined) return this.limited.overflow;
    const call = this.#call;
    return outcomeOfMeshError(thrown) === undefined && call.cancelled ? call.reason : thrown;
  }

  /** Ends the call with the mesh's own response to an error. */
  #refuse(error: unknown): Response {
    if (this.#response !== undefined) return this.#response;
    if (this.produced !== undefined) discard(this.produced);
    const call = this.#call;
    try {
      const response = this.#dress(errorResponse(error, call));
      const upstream = isFromUpstream(error);
      // An error that cannot be put into a response is a 500, whatever it was meant to be.
      const own = upstream || response.status === 500 ? undefined : outcomeOfMeshError(error);
      this.#response = response;
      call.end(own ?? outcomeOfStatus(response.status, noHeaders));
      if (response.status === 500 || upstream) this.#report(error);
      return response;
    } catch (worse) {
      // The error has a status or a header value that no response can have.
      this.#report(error);
      this.#report(worse);
    }
    call.end(outcomeOfStatus(500, noHeaders));
    this.#response = this.#dress(problemResponse(problem(500, undefined, undefined, call.requestId)));
    return this.#response;
  }

  #report(error: unknown): void {
    this.#parts.onError?.(error, this.#call);
  }

  /** Adds the mesh's own headers, in place where the response allows it. */
  #dress(response: Response): Response {
    // An upgrade is no response yet, and must stay the very object that the platform made.
    if (response.status === 101) return response;
    const { requestId } = this.#call;
    let dressed = response;
    try {
      response.headers.set(meshHeaders.requestId, requestId);
    } catch {
      // What `fetch` returned is immutable.
      dressed = new Response(response.body, response);
      dressed.headers.set(meshHeaders.requestId, requestId);
    }
    if (!this.exempt) {
      this.#cors?.apply(this.#request.headers, dressed.headers, "rest", (error) => this.#report(error));
    }
    return dressed;
  }
}
