import type { DescMethodStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import type { ContextKey, ContextValues, StreamResponse } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import type { Clock } from "../../core/clock.ts";
import { type FaultOf, MeshError } from "../../core/errors.ts";
import type { ServerIdentity } from "../../core/identity.ts";
import { ok } from "../../core/outcome.ts";
import type { Service } from "../../core/service.ts";
import { unlessCancelled } from "../../policy/wait.ts";
import { meshCall } from "../context.ts";
import { fitsMilliseconds, formatTimeout, timeoutHeader } from "../dialect/call-headers.ts";
import { Metadata, type MetadataSink } from "../dialect/header-metadata.ts";
import { callerError } from "../dialect/mesh-error-codes.ts";
import { outcomeOfRpcError } from "../dialect/rpc-outcome.ts";
import { ResponseStream } from "./response-stream.ts";
import type { RpcRequest, RpcResponse } from "./rpc-request.ts";
import type { RpcTransport } from "./rpc-transport.ts";

type MessageInit = Record<string, unknown>;

/** What {@link transportService} needs. */
export interface RpcTransportServiceOptions {
  readonly transportFor: (origin: string, server?: ServerIdentity) => RpcTransport;
  readonly clock: Clock;
  readonly faultOf: FaultOf | undefined;
  readonly decorate: ((call: Call, header: MetadataSink) => void) | undefined;
}

/**
 * The innermost service of an RPC pipeline: sends one attempt to the endpoint that was picked, with the time
 * that this attempt has left and headers of its own, and states its outcome: at the response of a unary call, at the
 * end of a stream.
 */
export function transportService(options: RpcTransportServiceOptions): Service<RpcRequest, RpcResponse> {
  return async function sendToTransport(call, request) {
    const { endpoint } = call;
    if (endpoint === undefined) {
      throw new MeshError(
        "ERR_NO_ENDPOINTS",
        `Cannot call ${call.service} ${call.operation}: no endpoint was picked; put a balancer into the pipeline`,
      );
    }
    call.throwIfCancelled();
    const transport = options.transportFor(endpoint.origin, endpoint.tls);
    const header = new Metadata(request.header);
    options.decorate?.(call, header);
    const timeoutMs = remainingTime(call, header, options.clock);
    const signal = transport.followsCall === true ? undefined : call.signal;
    // An iterable of pairs is one of the forms that the standard takes, though TypeScript does not know it.
    const init = header as Iterable<[string, string]> as HeadersInit;
    const values = new AttemptValues(request.contextValues, call);
    try {
      if (request.input === undefined) {
        const method = request.method as DescMethodUnary;
        const message = request.message as MessageInit;
        const sent = transport.transport.unary(method, signal, timeoutMs, init, message, values);
        // What is given a signal may not listen to it: a `fetch` of the program's own for example.
        const response = await (signal === undefined ? sent : unlessCancelled(call, sent));
        call.end(ok);
        return response;
      }
      const method = request.method as DescMethodStreaming;
      const messages = request.input.open() as AsyncIterable<MessageInit>;
      const sent = transport.transport
        .stream(method, signal, timeoutMs, init, messages, values)
        .then((response) => responseStream(call, request, response, options.faultOf, signal !== undefined));
      const response = await (signal === undefined ? sent : unlessCancelled(call, sent));
      request.input.settle();
      return response;
    } catch (error) {
      const shown = callerError(call, error);
      call.end(outcomeOfRpcError(call, shown, options.faultOf));
      throw shown;
    }
  };
}

/**
 * The timeout to hand to the transport. Connect writes plain milliseconds, in more digits than gRPC allows; a time
 * too long for that goes into the header here, in a wider unit, and the call's own deadline enforces it.
 */
function remainingTime(call: Call, header: MetadataSink, clock: Clock): number | undefined {
  if (call.deadline === Infinity) return undefined;
  const remaining = Math.max(1, Math.ceil(call.deadline - clock.now()));
  if (fitsMilliseconds(call.protocol, remaining)) return remaining;
  const written = formatTimeout(call.protocol, remaining);
  if (written !== undefined) header.set(timeoutHeader(call.protocol), written);
  // Connect's transports take 0 for "none", and undefined for their own default.
  return 0;
}

async function responseStream(
  call: Call,
  request: RpcRequest,
  response: StreamResponse,
  faultOf: FaultOf | undefined,
  mayBeDeaf: boolean,
): Promise<StreamResponse> {
  const messages = response.message[Symbol.asyncIterator]() as AsyncIterator<unknown>;
  const first = await firstOf(call, request, messages);
  const message = new ResponseStream(call, { messages, first, faultOf, mayBeDeaf });
  // Connect types the messages of a stream by its method, which is not known here.
  return { ...response, message: message as AsyncIterable<never> };
}

/**
 * Waits for the first message of a call that may be repeated: servers send the head of a response even when
 * all that follows is an error, and after the first message nothing can be repeated any more.
 */
async function firstOf(
  call: Call,
  request: RpcRequest,
  messages: AsyncIterator<unknown>,
): Promise<IteratorResult<unknown> | undefined> {
  if (call.idempotency === "unknown" || request.method.methodKind !== "server_streaming") return undefined;
  return messages.next();
}

/** The caller's context values, seen by one attempt: with the attempt's own call. */
class AttemptValues implements ContextValues {
  readonly #base: ContextValues;
  readonly #call: Call;

  constructor(base: ContextValues, call: Call) {
    this.#base = base;
    this.#call = call;
  }

  get<T>(key: ContextKey<T>): T {
    return key.id === meshCall.id ? (this.#call as T) : this.#base.get(key);
  }

  set<T>(key: ContextKey<T>, value: T): this {
    this.#base.set(key, value);
    return this;
  }

  delete(key: ContextKey<unknown>): this {
    this.#base.delete(key);
    return this;
  }
}
