import {
  Code,
  ConnectError,
  type ContextKey,
  createContextKey,
  createContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Call } from "../../core/call.ts";
import { outcomeOfCancelledCall, outcomeOfMeshError } from "../../core/classifier.ts";
import type { Connection } from "../../core/connection.ts";
import type { Service } from "../../core/service.ts";
import { isUpstream } from "../../core/upstream.ts";
import type { Cors } from "../../serve/cors.ts";
import type { ServedRequest } from "../../serve/inbound-request.ts";
import { meshCall } from "../context.ts";
import { readTimeout, timeoutHeader } from "../dialect/call-headers.ts";
import { rpcErrorResponse } from "../dialect/error-response.ts";
import { dialectOf, type RpcDialect } from "../dialect/rpc-dialect.ts";
import { outcomeOfCode } from "../dialect/rpc-outcome.ts";
import { iteratorOf } from "../safe-interceptor.ts";
import type { CallLifecycle } from "./call-lifecycle.ts";
import { unknownOperation } from "./dispatcher.ts";
import { explained } from "./http-refusal.ts";
import { type ServedCall, trackResponse } from "./response-body.ts";
import type { UniversalMethod } from "./universal-method.ts";

type Response = UniversalServerResponse;

/** One RPC through Connect's own handlers, in any of the dialects. */
export class UniversalCall implements ServedRequest<Response>, ServedCall {
  readonly wire: RpcDialect;
  readonly timeoutMs: number | undefined;
  readonly connection: Connection;
  readonly call: Call;
  /** Whether it is a CORS preflight, which is responded to before security. */
  readonly exempt: boolean;
  failure: ConnectError | undefined = undefined;
  /** Chunks of request and response that have passed. */
  progress = 0;
  readonly #method: UniversalMethod;
  readonly #lifecycle: CallLifecycle;
  readonly #request: UniversalServerRequest;
  readonly #header: Headers;
  readonly #cors: Cors | undefined;
  /** Whether the request has a timeout that the call keeps. */
  readonly #timed: boolean;

  constructor(
    method: UniversalMethod,
    lifecycle: CallLifecycle,
    request: UniversalServerRequest,
    connection: Connection,
  ) {
    this.#method = method;
    this.#lifecycle = lifecycle;
    this.#request = request;
    this.#header = request.header;
    this.connection = connection;
    this.#cors = lifecycle.pipeline.cors;
    this.exempt = this.#cors?.isPreflight(request.method, request.header) === true;
    this.wire = dialectOf(this.#header.get("content-type"));
    const timeoutMs = readTimeout(this.wire.protocol, this.#header);
    this.#timed = timeoutMs !== undefined && !Number.isNaN(timeoutMs);
    this.timeoutMs = lifecycle.granted(this.#timed ? timeoutMs : undefined);
    this.call = lifecycle.pipeline.open(this);
  }

  get protocol(): RpcDialect["protocol"] {
    return this.wire.protocol;
  }

  get operation(): string {
    return this.exempt ? "preflight" : this.#method.operation;
  }

  get streaming(): boolean {
    return this.#method.streaming;
  }

  get headers(): Headers {
    return this.#header;
  }

  get url(): string {
    return this.#request.url;
  }

  /** On some platforms merely looking at it makes one. */
  get signal(): AbortSignal {
    return this.#request.signal;
  }

  /** Sends the call through the server's layers. Never rejects. */
  async serve(): Promise<Response> {
    let response: Response;
    try {
      response = await this.#lifecycle.pipeline.serve(this.call, this);
    } catch (error) {
      response = this.#refuse(error);
    }
    return this.#cors === undefined || this.exempt ? response : this.#share(this.#cors, response);
  }

  /** Waits for the response, or for the end of the call if that comes first: a handler need not listen to its signal. */
  respond(call: Call, next: Service<ServedRequest<Response>, Response>): Response | Promise<Response> {
    let result: Response | Promise<Response>;
    try {
      result = next(call, this);
      if (!(result instanceof Promise)) return this.#track(result);
    } catch (error) {
      return this.#refuse(error);
    }
    const late = result;
    return new Promise((resolve) => {
      let open = true;
      const detach = call.onCancel((reason) => {
        open = false;
        resolve(this.#refuse(reason));
      });
      const fail = (error: unknown): void => {
        if (!open) return;
        open = false;
        detach();
        resolve(this.#refuse(error));
      };
      late.then((response) => {
        if (!open) {
          dispose(response);
          return;
        }
        try {
          const tracked = this.#track(response);
          detach();
          resolve(tracked);
        } catch (error) {
          fail(error);
        }
      }, fail);
    });
  }

  handle(call: Call): Response | Promise<Response> {
    if (this.#cors !== undefined && this.exempt) {
      return { status: 204, header: this.#cors.preflight(this.#header, "rpc") };
    }
    return this.#lifecycle.run(call, () =>
      this.#method.choose(this.#request, this.wire)(this.#connectRequest()),
    );
  }

  #track(response: Response): Response {
    const tracked = trackResponse(response, this, this.#lifecycle);
    const refused = tracked.status === 415 || tracked.status === 405;
    return refused && this.protocol === "connect" ? explained(tracked, this.#request, this.#method) : tracked;
  }

  /** Lets pages of other origins read the response, refusals included. */
  #share(cors: Cors, response: Response): Response {
    const { header = new Headers() } = response;
    cors.apply(this.#header, header, "rpc", (error) => this.#lifecycle.report(this.call, error));
    return response.header === undefined ? { ...response, header } : response;
  }

  /** The response to a call that a layer refused, or whose handler failed before its response began. Never throws. */
  #refuse(thrown: unknown): Response {
    const { call } = this;
    const error = this.#lifecycle.errorFor(call, thrown);
    const own = isUpstream(thrown) ? undefined : outcomeOfMeshError(thrown);
    call.end(outcomeOfCancelledCall(call) ?? own ?? outcomeOfCode(error.code));
    const response = rpcErrorResponse(this.wire, error);
    // A path that nobody serves is not there; Connect's own status for the code says that of methods.
    const missing = response.status === 501 && this.operation === unknownOperation;
    return missing ? { ...response, status: 404 } : response;
  }

  /**
   * The request as Connect's handlers are given it: with the call in its context values and the call's own signal.
   *
   * The call keeps the time, so Connect is not told of it: a timer of its own would outlive a call that was
   * cancelled by as much as the caller granted, and would pass at once where that exceeds what timers can hold.
   * A malformed timeout stays, for Connect to refuse it in the protocol's own words.
   */
  #connectRequest(): UniversalServerRequest {
    const request = this.#request;
    const contextValues = request.contextValues ?? createContextValues();
    contextValues.set(meshCall, this.call).set(servedCall, this);
    return {
      httpVersion: request.httpVersion,
      method: request.method,
      url: request.url,
      header: this.#timed ? without(this.#header, timeoutHeader(this.wire.protocol)) : this.#header,
      body: this.streaming && isAsyncIterable(request.body) ? this.#counted(request.body) : request.body,
      signal: this.call.signal,
      contextValues,
    };
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.progress++;
      yield chunk;
    }
  }
}

function isAsyncIterable(body: UniversalServerRequest["body"]): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

function without(header: Headers, name: string): Headers {
  try {
    header.delete(name);
    return header;
  } catch {
    // The headers of a fetch request may be immutable.
    const copy = new Headers(header);
    copy.delete(name);
    return copy;
  }
}

/** Lets go of a response that nobody waits for any more. */
function dispose(response: Response): void {
  try {
    const iterator = response.body?.[Symbol.asyncIterator]();
    const ended = new ConnectError("the call has ended", Code.Canceled);
    (iterator?.throw?.(ended) ?? iterator?.return?.())?.catch(() => {});
  } catch {
    // What fails while it is thrown away is missed by nobody.
  }
}

/** Where the error mapping leaves what it saw, for the outcome of the call at its end. */
export const servedCall: ContextKey<ServedCall | undefined> = createContextKey<ServedCall | undefined>(
  undefined,
  { description: "served call" },
);

/**
 * The outermost interceptor of every method: turns what handlers and other interceptors throw into what may
 * go on the wire.
 */
export function errorMapping(lifecycle: Pick<CallLifecycle, "errorFor">): Interceptor {
  return (next) =>
    async function mapErrors(request) {
      const call = request.contextValues.get(meshCall);
      if (call === undefined) return next(request);
      const convert = (thrown: unknown): unknown => {
        // The shutdown signal of a router may say why in so many words.
        const reason: unknown = request.signal.reason;
        const told = request.signal.aborted && reason instanceof ConnectError && !call.cancelled;
        const error = told ? reason : lifecycle.errorFor(call, thrown);
        const served = request.contextValues.get(servedCall);
        if (served !== undefined) served.failure = error;
        return error;
      };
      try {
        const response = await next(request);
        return response.stream ? { ...response, message: mapped(response.message, convert) } : response;
      } catch (error) {
        throw convert(error);
      }
    };
}

function mapped<T>(messages: AsyncIterable<T>, convert: (error: unknown) => unknown): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const inner = begun(messages, convert);
      const iterator: AsyncIterator<T> = {
        async next() {
          try {
            return await inner.next();
          } catch (error) {
            throw convert(error);
          }
        },
      };
      if (inner.throw !== undefined)
        iterator.throw = (error) => (inner.throw as NonNullable<typeof inner.throw>)(error);
      if (inner.return !== undefined)
        iterator.return = (value) => (inner.return as NonNullable<typeof inner.return>)(value);
      return iterator;
    },
  };
}

function begun<T>(messages: AsyncIterable<T>, convert: (error: unknown) => unknown): AsyncIterator<T> {
  try {
    return iteratorOf(messages);
  } catch (error) {
    throw convert(error);
  }
}
