import type { Context } from "hono";
import type { Call } from "../core/call.ts";
import { outcomeOfMeshError } from "../core/classifier.ts";
import { MeshError } from "../core/errors.ts";
import type { HeaderSource } from "../core/headers.ts";
import { meshHeaders } from "../core/headers.ts";
import { outcomeOfStatus } from "../http/http-outcome.ts";
import type { Deadlines } from "../policy/deadline-wheel.ts";
import type { Admission, Arrival } from "./admission.ts";
import type { Cors } from "./cors.ts";
import { connectionOf, type MeshEnv } from "./env.ts";
import { errorResponse, explainSyntaxError, isFromUpstream } from "./error-response.ts";
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
  /** Told of errors that the caller is told nothing about; it never throws. */
  readonly onError: ((error: unknown, call: Call) => void) | undefined;
}

const noHeaders: HeaderSource = { get: () => null };

/**
 * One request on its way through the whole chain: request id and trace, metrics, errors, CORS, the gates of the
 * admission, body limit, deadline, and then whatever {@link Passage.run} runs.
 *
 * One object and not ten middlewares, because each middleware costs a promise and a closure, and several of
 * them a copy of the response. It answers synchronously when nothing on the way is asynchronous.
 */
export abstract class Passage implements Arrival {
  readonly protocol = "rest";
  readonly operation: string;
  readonly connection: Arrival["connection"];
  readonly #parts: ChainParts;
  readonly #route: RouteInfo;
  readonly #request: Request;
  readonly #preflight: boolean;
  readonly #call: Call;
  #limited: LimitedRequest | undefined;
  protected readonly c: Context<MeshEnv>;

  constructor(parts: ChainParts, c: Context<MeshEnv>, route: RouteInfo) {
    const request = c.req.raw;
    this.c = c;
    this.#parts = parts;
    this.#route = route;
    this.#request = request;
    this.#preflight = parts.cors?.isPreflight(request) === true;
    this.operation = this.#preflight ? "preflight" : route.operation;
    this.connection = connectionOf(request, c.env);
    this.#call = parts.admission.open(this);
    c.set("call", this.#call);
  }

  get headers(): HeaderSource {
    return this.#request.headers;
  }

  /** Looked at only if somebody asks: it costs as much as the rest of the chain. */
  get signal(): AbortSignal {
    return this.#request.signal;
  }

  /** Runs what is inside the chain; its own errors come out. */
  protected abstract run(): Response | Promise<Response>;

  /** The application's own answer to an error; undefined to let the chain answer. */
  protected abstract answerTo(error: unknown): Response | Promise<Response> | undefined;

  go(): Response | Promise<Response> {
    if (this.#preflight) return this.#finish(this.#parts.cors!.preflight(this.#request));
    try {
      const late = this.#parts.admission.admit(this.#call, this);
      const result = late === undefined ? this.#enter() : late.then(() => this.#enter());
      return result instanceof Promise ? this.#await(result) : this.#finish(result);
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** Past the gates: the body's size, then the handler. */
  #enter(): Response | Promise<Response> {
    // A token that took longer to validate than the request may take: it has been answered already.
    if (this.#call.outcome !== undefined) throw this.#call.reason;
    const { method } = this.#request;
    const { scope, bodyLimitBytes } = this.#parts;
    if (method !== "GET" && method !== "HEAD") this.#limitBody(this.#route.bodyLimitBytes ?? bodyLimitBytes);
    return scope === undefined ? this.run() : scope.run(this.#call, () => this.run());
  }

  #limitBody(limitBytes: number): void {
    if (limitBytes === Infinity) return;
    const length = this.#request.headers.get("content-length");
    if (length !== null) {
      if (!(Number(length) <= limitBytes)) throw bodyTooLarge(limitBytes);
    } else if (this.#request.body !== null) {
      this.#limited = limitBody(this.#request, limitBytes);
      this.c.req.raw = this.#limited.request;
    }
  }

  /** Waits for the handler, but not past the deadline. */
  #await(result: Promise<Response>): Promise<Response> {
    const { deadlines } = this.#parts;
    const call = this.#call;
    return new Promise((resolve, reject) => {
      const answer = (make: () => Response | Promise<Response>): void => {
        try {
          resolve(make());
        } catch (error) {
          reject(error);
        }
      };
      const entry =
        call.deadline === Infinity
          ? undefined
          : deadlines.add(call.deadline, () => {
              const error = new MeshError("ERR_DEADLINE_EXCEEDED", "The request took longer than it may");
              call.cancel(error);
              answer(() => this.#answer(error));
            });
      // Once the call has ended, the deadline has answered.
      result.then(
        (response) => {
          if (entry !== undefined) deadlines.remove(entry);
          if (call.outcome === undefined) answer(() => this.#finish(response));
          else response.body?.cancel().catch(() => {});
        },
        (error: unknown) => {
          if (entry !== undefined) deadlines.remove(entry);
          if (call.outcome === undefined) answer(() => this.#fail(error));
        },
      );
    });
  }

  #finish(response: Response): Response {
    this.#call.end(outcomeOfStatus(response.status, noHeaders));
    return this.#dress(response);
  }

  #fail(thrown: unknown): Response | Promise<Response> {
    const error = this.#cause(thrown);
    if (error instanceof SyntaxError) {
      return explainSyntaxError(this.c, error).then((explained) => this.#fallBack(explained));
    }
    return this.#fallBack(error);
  }

  /** What really happened: reading a body that is too large, or working for a client that left, fails in many ways. */
  #cause(thrown: unknown): unknown {
    if (this.#limited?.overflow !== undefined) return this.#limited.overflow;
    const call = this.#call;
    return outcomeOfMeshError(thrown) === undefined && call.cancelled ? call.reason : thrown;
  }

  /** Lets the application answer, else answers with the problem; also when the application's answer fails. */
  #fallBack(error: unknown): Response | Promise<Response> {
    let own: Response | Promise<Response> | undefined;
    try {
      own = this.answerTo(error);
    } catch (worse) {
      return this.#answer(worse);
    }
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
    const upstream = isFromUpstream(error);
    const own = upstream ? undefined : outcomeOfMeshError(error);
    this.#call.end(own ?? outcomeOfStatus(response.status, noHeaders));
    if (response.status === 500 || upstream) this.#parts.onError?.(error, this.#call);
    return this.#dress(response);
  }

  /** Adds the chain's own headers, in place where the response allows it. */
  #dress(response: Response): Response {
    // An upgrade is not an answer yet, and must stay the very object that the platform made.
    if (response.status === 101) return response;
    try {
      response.headers.set(meshHeaders.requestId, this.#call.requestId);
      if (!this.#preflight) this.#parts.cors?.apply(this.#request, response.headers);
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
