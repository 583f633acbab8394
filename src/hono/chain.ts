import type { Context } from "hono";
import type { Call } from "../core/call.ts";
import { outcomeOfMeshError } from "../core/classifier.ts";
import { MeshError } from "../core/errors.ts";
import type { HeaderSource } from "../core/headers.ts";
import type { InboundRequest } from "../serve/admission.ts";
import { isUnservable } from "../serve/method.ts";
import { ChainEnd, discard } from "./chain-end.ts";
import type { ChainParts } from "./chain-parts.ts";
import { connectionOf, type MeshEnv } from "./env.ts";
import { explainSyntaxError } from "./error-response.ts";
import { bodyTooLarge, type LimitedRequest, limitBody } from "./limited-body.ts";
import type { RouteInfo } from "./route-info.ts";

/**
 * One request on its way through the whole chain: request id and trace, metrics, errors, CORS, the gates of the
 * admission, body limit, deadline, and then whatever {@link RequestPipeline.run} runs.
 *
 * One object and not ten middlewares, because each middleware costs a promise and a closure, and several of
 * them a copy of the response. It answers synchronously when nothing on the way is asynchronous.
 */
export abstract class RequestPipeline extends ChainEnd implements InboundRequest {
  readonly protocol = "rest";
  readonly operation: string;
  readonly connection: InboundRequest["connection"];
  protected readonly parts: ChainParts;
  readonly #route: RouteInfo;
  protected readonly request: Request;
  protected readonly preflight: boolean;
  protected readonly call: Call;
  #limited: LimitedRequest | undefined;
  protected readonly c: Context<MeshEnv>;

  constructor(parts: ChainParts, c: Context<MeshEnv>, route: RouteInfo) {
    super();
    const request = c.req.raw;
    this.c = c;
    this.parts = parts;
    this.#route = route;
    this.request = request;
    this.preflight = parts.cors?.isPreflight(request) === true;
    this.operation = this.preflight ? "preflight" : route.operation;
    this.connection = connectionOf(c.env);
    this.call = parts.admission.open(this);
    c.set("call", this.call);
  }

  get headers(): HeaderSource {
    return this.request.headers;
  }

  /** Looked at only if somebody asks: it costs as much as the rest of the chain. */
  get signal(): AbortSignal {
    return this.request.signal;
  }

  /** Runs what is inside the chain; its own errors come out. */
  protected abstract run(): Response | Promise<Response>;

  /** The application's own answer to an error; undefined to let the chain answer. */
  protected abstract respondTo(error: unknown): Response | Promise<Response> | undefined;

  /** Makes the response. Never throws, and the promise that it may return never rejects. */
  go(): Response | Promise<Response> {
    try {
      if (this.preflight) return this.finish(this.parts.cors!.preflight(this.request));
      const late = this.parts.admission.admit(this.call, this);
      const result = late === undefined ? this.#enter() : late.then(() => this.#enter());
      return result instanceof Promise ? this.#await(result, false) : this.finish(result);
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** Past the gates: the body's size, then the handler. */
  #enter(): Response | Promise<Response> {
    // A token that took longer to validate than the request may take: it has been answered already.
    if (this.call.outcome !== undefined) throw this.call.reason;
    const { method } = this.request;
    const { scope, bodyLimitBytes } = this.parts;
    if (method !== "GET" && method !== "HEAD") {
      if (isUnservable(method)) {
        throw this.parts.refuseMethod(method, this.c.req.path);
      }
      this.#limitBody(this.#route.bodyLimitBytes ?? bodyLimitBytes);
    }
    return scope === undefined ? this.run() : scope.run(this.call, () => this.run());
  }

  #limitBody(limitBytes: number): void {
    if (limitBytes === Infinity) return;
    const length = this.request.headers.get("content-length");
    if (length !== null) {
      if (!(Number(length) <= limitBytes)) throw bodyTooLarge(limitBytes);
    } else if (this.request.body !== null) {
      this.#limited = limitBody(this.request, limitBytes);
      this.c.req.raw = this.#limited.request;
    }
  }

  /**
   * Waits for the handler, and for the application's own response to its error, but not past the deadline.
   *
   * @param failed - whether the handler has failed already, and `result` is the application's response to that
   */
  #await(result: Promise<Response>, failed: boolean): Promise<Response> {
    const { deadlines } = this.parts;
    const call = this.call;
    return new Promise((resolve) => {
      let open = true;
      const settle = (response: Response): void => {
        open = false;
        resolve(response);
      };
      const entry =
        call.deadline === Infinity
          ? undefined
          : deadlines.add(call.deadline, () => {
              const error = new MeshError("ERR_DEADLINE_EXCEEDED", "The request took longer than it may");
              call.cancel(error);
              if (open) settle(this.answer(error));
            });
      const fulfill = (response: Response): void => {
        if (!open) {
          discard(response);
          return;
        }
        if (entry !== undefined) deadlines.remove(entry);
        settle(this.finish(response));
      };
      const reject = (error: unknown): void => {
        if (!open) return;
        if (entry !== undefined) deadlines.remove(entry);
        settle(this.answer(error));
      };
      const recover = (thrown: unknown): void => {
        if (!open) return;
        try {
          const own = this.#recover(thrown);
          if (own instanceof Promise) own.then(fulfill, reject);
          else fulfill(own);
        } catch (error) {
          reject(error);
        }
      };
      result.then(fulfill, failed ? reject : recover);
    });
  }

  #fail(thrown: unknown): Response | Promise<Response> {
    try {
      const own = this.#recover(thrown);
      return own instanceof Promise ? this.#await(own, true) : this.finish(own);
    } catch (error) {
      return this.answer(error);
    }
  }

  /** The application's own response to an error; throws the error that the chain itself has to respond to. */
  #recover(thrown: unknown): Response | Promise<Response> {
    const error = this.#cause(thrown);
    if (!(error instanceof SyntaxError)) return this.#own(error);
    // Without the body there is nothing to explain the error with.
    return explainSyntaxError(this.c, error).then(
      (explained) => this.#own(explained),
      () => this.#own(error),
    );
  }

  #own(error: unknown): Response | Promise<Response> {
    const own = this.respondTo(error);
    if (own === undefined) throw error;
    return own;
  }

  /** What really happened: reading a body that is too large, or working for a client that left, fails in many ways. */
  #cause(thrown: unknown): unknown {
    if (this.#limited?.overflow !== undefined) return this.#limited.overflow;
    const call = this.call;
    return outcomeOfMeshError(thrown) === undefined && call.cancelled ? call.reason : thrown;
  }
}
