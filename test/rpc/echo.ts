import { type Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import type { Call } from "../../src/core/call.ts";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import type { Connection } from "../../src/core/connection.ts";
import type { Outcome } from "../../src/core/outcome.ts";
import type { RpcFetch } from "../../src/rpc/client/fetch-client.ts";
import { createDispatcher, type DispatcherOptions } from "../../src/rpc/server/create-dispatcher.ts";
import type { RpcDispatcher } from "../../src/rpc/server/dispatcher.ts";
import { createFetchDispatch } from "../../src/rpc/server/fetch-dispatch.ts";
import type { InboundRequest, ServedRequest, ServerLayer } from "../../src/serve/inbound-request.ts";
import { createRequestPipeline, type RequestPipeline } from "../../src/serve/request-pipeline.ts";
import type { ServerCall } from "../../src/serve/server-call.ts";
import { type EchoRequest, EchoService } from "../gen/test/v1/echo_pb.ts";

/** Responds as the request says. */
export function echoRoutes(router: ConnectRouter): void {
  const answer = (request: EchoRequest, context: HandlerContext) => {
    failWhenAsked(request);
    context.responseHeader.set("x-echo-header", request.text);
    context.responseTrailer.set("x-echo-trailer", request.text);
    return { text: request.text, payload: request.payload };
  };
  router.service(EchoService, {
    echo: answer,
    get: answer,
    put: answer,
    async *expand(request, context) {
      context.responseTrailer.set("x-echo-trailer", request.text);
      for (let index = 0; index < request.count; index++) {
        context.signal.throwIfAborted();
        yield { text: request.text, index };
      }
      failWhenAsked(request);
    },
    async collect(requests) {
      const texts: string[] = [];
      for await (const request of requests) {
        failWhenAsked(request);
        texts.push(request.text);
      }
      return { text: texts.join(" "), index: texts.length };
    },
    async *chat(requests) {
      let index = 0;
      for await (const request of requests) {
        yield { text: request.text, index: index++ };
        failWhenAsked(request);
      }
    },
  });
}

function failWhenAsked(request: EchoRequest): void {
  if (request.fail !== 0) throw new ConnectError(request.text, request.fail as Code);
}

/*/** A server's pipeline that lets everything in, unless told otherwise, and remembers what it saw. */
export class OpenPipeline implements RequestPipeline {
  readonly calls: Call[] = [];
  readonly requests: InboundRequest[] = [];
  /** What the outermost layer does before it lets a call on. */
  check: (call: Call, request: InboundRequest) => void | Promise<void> = () => {};
  readonly #pipeline: RequestPipeline;

  constructor(clock: Clock = systemClock) {
    const checked: ServerLayer = (next) => (call, request) => {
      const late = this.check(call, request);
      return late instanceof Promise ? late.then(() => next(call, request)) : next(call, request);
    };
    this.#pipeline = createRequestPipeline({
      service: "echo",
      clock,
      server: { rateLimit: false, timeoutMs: Infinity },
      layers: { request: [checked] },
    });
  }

  open(request: InboundRequest): ServerCall {
    const call = this.#pipeline.open(request);
    this.requests.push(request);
    this.calls.push(call);
    return call;
  }

  serve<Res>(call: Call, request: ServedRequest<Res>): Res | Promise<Res> {
    return this.#pipeline.serve(call, request);
  }

  close(): void {
    this.#pipeline.close();
  }

  get inFlight(): number {
    return this.#pipeline.inFlight;
  }

  get cors(): RequestPipeline["cors"] {
    return this.#pipeline.cors;
  }

  /** The only call there was. */
  get call(): Call {
    if (this.calls.length !== 1) throw new Error(`Expected one call, saw ${this.calls.length}`);
    return this.calls[0] as Call;
  }

  /** How each call ended, in the order they came; undefined for one that is still open. */
  get outcomes(): (Outcome | undefined)[] {
    return this.calls.map((call) => call.outcome);
  }
}

/** A connection of which nothing is known. */
export const someConnection: Connection = {
  remoteAddress: "127.0.0.1",
  encrypted: false,
  httpVersion: "2",
  peer: undefined,
};

/** A served EchoService that is called without a socket. */
export interface InProcessServer {
  readonly pipeline: OpenPipeline;
  readonly dispatcher: RpcDispatcher;
  readonly fetch: RpcFetch;
}

/** Serves the EchoService, or other routes, in this process. */
export function serveInProcess(
  options: Partial<DispatcherOptions> & { readonly pipeline?: OpenPipeline } = {},
): InProcessServer {
  const pipeline = options.pipeline ?? new OpenPipeline(options.clock);
  const dispatcher = createDispatcher({ routes: echoRoutes, ...options, pipeline });
  const serve = createFetchDispatch(dispatcher);
  const fetch: RpcFetch = async (url, init) => {
    const response = serve(new Request(url, init as RequestInit), someConnection);
    return response ?? new Response("not an RPC", { status: 404 });
  };
  return { pipeline, dispatcher, fetch };
}

/** Everything that an iterable yields. */
export async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const message of messages) seen.push(message);
  return seen;
}

/** The values one by one, as a request stream. */
export async function* streamOf<T>(...values: T[]): AsyncGenerator<T> {
  for (const value of values) yield value;
}

/** The error that a promise ends with. */
export async function errorOf(promise: Promise<unknown>): Promise<ConnectError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error("Expected an RPC error, got a response");
}
