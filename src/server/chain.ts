import type { Context } from "hono";
import type { Call } from "../core/call.ts";
import { outcomeOfCancelledCall, outcomeOfMeshError } from "../core/classifier.ts";
import { MeshError } from "../core/errors.ts";
import type { HeaderSource } from "../core/headers.ts";
import { meshHeaders } from "../core/headers.ts";
import { outcomeOfStatus } from "../http/http-outcome.ts";
import type { Deadlines } from "../policy/deadline-wheel.ts";
import type { Admission, Arrival } from "./admission.ts";
import type { Cors } from "./cors.ts";
import { connectionOf, type MeshEnv } from "./env.ts";
import { errorResponse, explainSyntaxError } from "./error-response.ts";
import { bodyTooLarge, type LimitedRequest, limitBody } from "./limited-body.ts";
import type { RouteInfo } from "./route-info.ts";

/** Carries the current call through a handler's awaits; the runtime's async context is one. */
export interface CallScope {
  run<T>(call: Call, task: () => T): T;
}

/** What the chain is made of. */
export interface ChainParts {
  readonly admission: Admission;
  readonly deadlines: Deadlines;
  readonly cors: Cors | undefined;
  readonly bodyLimitBytes: number;
  readonly scope: CallScope | undefined;
  /** Told of errors that the caller is told nothing about. */
  readonly onError: ((error: unknown, call: Call) => void) | undefined;
}

/** What runs inside the chain. */
export interface ChainTarget {
  /** Runs the rest; its own errors come out. */
  run(): Response | Promise<Response>;
  /** The application's own answer to an error; undefined to let the chain answer. */
  onError?(error: unknown): Response | Promise<Response> | undefined;
}

const noHeaders: HeaderSource = { get: () => null };

/** A REST request before it is read; its signal is looked at only if somebody asks. */
class RestArrival implements Arrival {
  readonly protocol = "rest";
  readonly operation: string;
  readonly connection: Arrival["connection"];
  readonly #request: Request;

  constructor(operation: string, request: Request, connection: Arrival["connection"]) {
    this.operation = operation;
    this.#request = request;
    this.connection = connection;
  }

  get headers(): HeaderSource {
    return this.#request.headers;
  }

  get signal(): AbortSignal {
    return this.#request.signal;
  }
}

/** One request on its way through the chain. */
class Passage {
  readonly #parts: ChainParts;
  readonly #c: Context<MeshEnv>;
  readonly #request: Request;
  readonly #target: ChainTarget;
  readonly #call: Call;
  #limited: LimitedRequest | undefined;

  constructor(parts: ChainParts, c: Context<MeshEnv>, request: Request, target: ChainTarget, call: Call) {
    this.#parts = parts;
    this.#c = c;
    this.#request = request;
    this.#target = target;
    this.#call = call;
  }

  go(arrival: Arrival, route: RouteInfo): Response | Promise<Response> {
    try {
      const late = this.#parts.admission.admit(this.#call, arrival);
      const result = late === undefined ? this.#enter(route) : late.then(() => this.#enter(route));
      return result instanceof Promise ? this.#await(result) : this.#finish(result);
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** Past the gates: the body's size, then the handler. */
  #enter(route: RouteInfo): Response | Promise<Response> {
    // A token that took longer to validate than the request may take: it has been answered already.
    if (this.#call.outcome !== undefined) throw this.#call.reason;
    const { method } = this.#request;
    if (method !== "GET" && method !== "HEAD")
      this.#limitBody(route.bodyLimitBytes ?? this.#parts.bodyLimitBytes);
    const { scope } = this.#parts;
    return scope === undefined ? this.#target.run() : scope.run(this.#call, () => this.#target.run());
  }

  #limitBody(limitBytes: number): void {
    if (limitBytes === Infinity) return;
    const length = this.#request.headers.get("content-length");
    if (length !== null) {
      if (!(Number(length) <= limitBytes)) throw bodyTooLarge(limitBytes);
    } else if (this.#request.body !== null) {
      this.#limited = limitBody(this.#request, limitBytes);
      this.#c.req.raw = this.#limited.request;
    }
  }

  /** Waits for the handler, but not past the deadline. */
  #await(result: Promise<Response>): Promise<Response> {
    const { deadlines } = this.#parts;
    const call = this.#call;
    return new Promise((resolve) => {
      const entry =
        call.deadline === Infinity
          ? undefined
          : deadlines.add(call.deadline, () => {
              const error = new MeshError("ERR_DEADLINE_EXCEEDED", "The request took longer than it may");
              call.cancel(error);
              resolve(this.#answer(error));
            });
      result.then(
        (response) => {
          if (entry !== undefined) deadlines.remove(entry);
          // After the deadline somebody else has answered already.
          if (call.outcome === undefined) resolve(this.#finish(response));
          else response.body?.cancel().catch(() => {});
        },
        (error: unknown) => {
          if (entry !== undefined) deadlines.remove(entry);
          if (call.outcome === undefined) resolve(this.#fail(error));
        },
      );
    });
  }

  #finish(response: Response): Response {
    const dressed = this.#dress(response);
    this.#call.end(outcomeOfStatus(response.status, noHeaders));
    return dressed;
  }

  #fail(thrown: unknown): Response | Promise<Response> {
    const error = this.#cause(thrown);
    if (error instanceof SyntaxError) {
      return explainSyntaxError(this.#c, error).then((explained) => this.#fallBack(explained));
    }
    return this.#fallBack(error);
  }

  /** What really happened: reading a body that is too large, or working for a client that left, fails in many ways. */
  #cause(thrown: unknown): unknown {
    if (this.#limited?.overflow !== undefined) return this.#limited.overflow;
    const call = this.#call;
    return outcomeOfMeshError(thrown) === undefined && call.cancelled ? call.reason : thrown;
  }

  /** Lets the application answer, else answers with the problem. */
  #fallBack(error: unknown): Response | Promise<Response> {
    const own = this.#target.onError?.(error);
    if (own === undefined) return this.#answer(error);
    return own instanceof Promise
      ? own.then(
          (response) => this.#finish(response),
          (worse: unknown) => this.#answer(worse),
        )
      : this.#finish(own);
  }

  #answer(error: unknown): Response {
    const response = errorResponse(error, this.#call.requestId);
    const outcome =
      outcomeOfMeshError(error) ??
      (response.status === 499 ? outcomeOfCancelledCall(this.#call) : undefined) ??
      outcomeOfStatus(response.status, noHeaders);
    if (response.status === 500) this.#parts.onError?.(error, this.#call);
    const dressed = this.#dress(response);
    this.#call.end(outcome);
    return dressed;
  }

  /** Adds the chain's own headers, in place where the response allows it. */
  #dress(response: Response): Response {
    // An upgrade is not an answer yet, and must stay the very object that the platform made.
    if (response.status === 101) return response;
    try {
      response.headers.set(meshHeaders.requestId, this.#call.requestId);
      this.#parts.cors?.apply(this.#request, response.headers);
      return response;
    } catch {
      // What `fetch` returned is immutable.
      const copy = new Response(response.body, response);
      copy.headers.set(meshHeaders.requestId, this.#call.requestId);
      this.#parts.cors?.apply(this.#request, copy.headers);
      return copy;
    }
  }
}

/**
 * Runs one request through the whole chain: request id and trace, metrics, errors, CORS, the gates of the
 * admission, body limit, deadline, and then the target.
 *
 * One function and not ten middlewares, because each middleware costs a promise and a closure, and several of
 * them a copy of the response. It answers synchronously when nothing on the way is asynchronous.
 */
export function passChain(
  parts: ChainParts,
  c: Context<MeshEnv>,
  route: RouteInfo,
  target: ChainTarget,
): Response | Promise<Response> {
  const request = c.req.raw;
  const { cors } = parts;
  const preflight = cors?.isPreflight(request) === true;
  const arrival = new RestArrival(
    preflight ? "preflight" : route.operation,
    request,
    connectionOf(request, c.env),
  );
  const call = parts.admission.open(arrival);
  c.set("call", call);
  if (preflight) {
    const response = cors!.preflight(request);
    response.headers.set(meshHeaders.requestId, call.requestId);
    call.end(outcomeOfStatus(response.status, noHeaders));
    return response;
  }
  return new Passage(parts, c, request, target, call).go(arrival, route);
}
