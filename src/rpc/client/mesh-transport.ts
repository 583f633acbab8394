import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type Interceptor,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from "@connectrpc/connect";
import { Call, type CallEventListener, type Idempotency } from "../../core/call.ts";
import { endWithError } from "../../core/classifier.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { FaultOf } from "../../core/errors.ts";
import { meshHeaders } from "../../core/headers.ts";
import { idempotencyFrom } from "../../core/idempotency.ts";
import type { ServerIdentity } from "../../core/identity.ts";
import { ok } from "../../core/outcome.ts";
import type { Layer } from "../../core/service.ts";
import { markUpstream } from "../../core/upstream.ts";
import { type CallDefaults, callPolicyFrom, plainCallDefaults } from "../../policy/call-policy.ts";
import { userLayers } from "../../policy/user-layers.ts";
import { checkCallOptions, meshCallOptions, noCallOptions } from "../context.ts";
import { operationOf } from "../dialect/call-headers.ts";
import type { MetadataSink } from "../dialect/header-metadata.ts";
import { callerError } from "../dialect/mesh-error-codes.ts";
import type { RpcProtocol } from "../dialect/rpc-protocol.ts";
import { intercept } from "./client-interceptor-chain.ts";
import { readableError } from "./readable-error.ts";
import { type RequestStream, streamInput } from "./replayable-input.ts";
import { rpcUserLayerDialect } from "./response-stream.ts";
import type { RpcRequest, RpcResponse } from "./rpc-request.ts";
import type { RpcTransport } from "./rpc-transport.ts";
import { transportService } from "./transport-service.ts";

/** Options of {@link createMeshTransport}. */
export interface MeshTransportOptions {
  /** The service to call, as the resolver knows it. */
  readonly service: string;
  /** Everything between the caller and the wire: metrics, deadline, retry, balancing, breaker. */
  readonly pipeline: Layer<RpcRequest, RpcResponse>;
  /** The transport to one endpoint, and who it must be; called for every attempt, so it keeps what it has opened. */
  readonly transportFor: (origin: string, server?: ServerIdentity) => RpcTransport;
  /** What the calls are labelled with; a function where it may change. */
  readonly protocol: RpcProtocol | (() => RpcProtocol);
  /** The runtime's knowledge of its own socket errors. @default none: every fault proves nothing */
  readonly faultOf?: FaultOf;
  /** Writes the call's context (request id, trace, attempt) into the metadata of one attempt. */
  readonly decorate?: (call: Call, header: MetadataSink) => void;
  /** The call whose handler runs now, on whose behalf this one is made. */
  readonly currentCall?: () => Call | undefined;
  /** Told what is decided about the calls. @default nobody is told */
  readonly onEvent?: CallEventListener | undefined;
  /** What holds for a call of an operation (`package.Service/Method`), unless the caller says otherwise. @default 30 s */
  readonly policyOf?: (operation: string) => CallDefaults;
  /** Connect interceptors, outside the mesh's own layers: they see the call, not its attempts. */
  readonly interceptors?: readonly Interceptor[];
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * A Connect transport to a service of the mesh, for Connect's own `createClient`: makes the call, runs the
 * pipeline, and sends each attempt to the endpoint that was picked.
 *
 * As with Connect's transports, a `timeoutMs` of 0 or less means none. Calls are repeated as their method's
 * `idempotency_level` allows, or as the policies, `callOptions()` or an `idempotency-key` header says.
 * A stream is cut off by its deadline or its signal; leaving a `for await` loop of a Connect client early does
 * not reach the transport, so pass a signal to streams that you may leave.
 *
 * @throws ConnectError only, from its calls: the server's own, `deadline_exceeded` once the deadline has passed,
 *   `canceled` after the caller's abort, `invalid_argument` for a timeout that makes no sense, or the mapped
 *   code of a local refusal with the `MeshError` as `cause`
 * @example
 * ```ts
 * const transport = createMeshTransport({ service: "stream", pipeline, transportFor, protocol: "grpc" });
 * const events = createClient(StreamService, transport);
 * ```
 */
export function createMeshTransport(options: MeshTransportOptions): Transport {
  const { clock = systemClock, policyOf = () => plainCallDefaults, protocol } = options;
  const interceptors = options.interceptors ?? [];
  const { transportFor, faultOf, decorate } = options;
  const who = `a call to ${options.service}`;
  const pipeline = options.pipeline(transportService({ transportFor, clock, faultOf, decorate }));
  const intercepted: Layer<RpcRequest, RpcResponse> = (next) => (call, request) =>
    intercept(interceptors, call, request, options.service, next);
  const send =
    interceptors.length === 0 ? pipeline : userLayers([intercepted], rpcUserLayerDialect)(pipeline);

  function open(method: DescMethod, each: CallSettings): Call {
    const said = each.contextValues?.get(meshCallOptions);
    const own = said === undefined || said === noCallOptions ? undefined : checkCallOptions(who, said);
    const operation = operationOf(method);
    const policy = policyOf(operation);
    const priority = own?.priority ?? policy.priority;
    const timeoutMs = each.timeoutMs ?? policy.timeoutMs;
    if (Number.isNaN(timeoutMs)) throw new RangeError("timeoutMs is NaN; pass milliseconds, or 0 for none");
    return new Call({
      side: "client",
      protocol: typeof protocol === "function" ? protocol() : protocol,
      service: options.service,
      operation,
      idempotency: idempotencyOf(method, own?.idempotent ?? policy.idempotent, each.header),
      deadline: timeoutMs > 0 ? clock.now() + timeoutMs : Infinity,
      parent: own?.parent === undefined ? options.currentCall?.() : (own.parent ?? undefined),
      signal: each.signal,
      onEvent: options.onEvent,
      policy: own === undefined ? policy.policy : callPolicyFrom(who, own, policy.policy),
      ...(priority === undefined ? undefined : { priority }),
    });
  }

  async function run(call: Call, request: RpcRequest): Promise<RpcResponse> {
    try {
      const response = await send(call, request);
      // A layer may respond by itself; no transport has ended the call then.
      if (call.outcome === undefined && !response.stream) call.end(ok);
      return response;
    } catch (thrown) {
      const error = readableError(thrown);
      const shown = callerError(call, error);
      endWithError(call, error);
      throw shown;
    }
  }

  return {
    unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: HeadersInit | undefined,
      input: MessageInitShape<I>,
      contextValues?: ContextValues,
    ): Promise<UnaryResponse<I, O>> {
      let call: Call;
      try {
        call = open(method, { signal, timeoutMs, header, contextValues });
      } catch (error) {
        return refused(method, error);
      }
      const request: RpcRequest = {
        method,
        header,
        contextValues: contextValues ?? createContextValues(),
        message: input as object,
        input: undefined,
      };
      return run(call, request) as Promise<UnaryResponse<I, O>>;
    },
    stream<I extends DescMessage, O extends DescMessage>(
      method: DescMethodStreaming<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: HeadersInit | undefined,
      input: AsyncIterable<MessageInitShape<I>>,
      contextValues?: ContextValues,
    ): Promise<StreamResponse<I, O>> {
      let call: Call;
      try {
        call = open(method, { signal, timeoutMs, header, contextValues });
      } catch (error) {
        return refused(method, error);
      }
      let messages: RequestStream;
      try {
        messages = streamInput(method, input);
      } catch (thrown) {
        const error = readableError(thrown);
        endWithError(call, error);
        return refused(method, error);
      }
      call.onEnd(() => messages.close());
      const request: RpcRequest = {
        method,
        header,
        contextValues: contextValues ?? createContextValues(),
        message: undefined,
        input: messages,
      };
      return run(call, request) as Promise<StreamResponse<I, O>>;
    },
  };
}

/** A call with arguments that make no sense; the caller gets that as any other error. */
function refused(method: DescMethod, error: unknown): Promise<never> {
  const why = error instanceof Error ? error.message : String(error);
  const shown = why.startsWith("Cannot ") ? why : `Cannot call ${operationOf(method)}: ${why}`;
  // A mistake of this service's own, and not of its caller.
  return Promise.reject(
    markUpstream(new ConnectError(shown, Code.InvalidArgument, undefined, undefined, error)),
  );
}

interface CallSettings {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
  readonly contextValues: ContextValues | undefined;
}

const byLevel: Readonly<Record<MethodOptions_IdempotencyLevel, Idempotency | undefined>> = {
  [MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN]: undefined,
  [MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS]: "safe",
  [MethodOptions_IdempotencyLevel.IDEMPOTENT]: "idempotent",
};

function idempotencyOf(
  method: DescMethod,
  said: boolean | undefined,
  header: HeadersInit | undefined,
): Idempotency {
  const ofMethod = byLevel[method.idempotency];
  const asksHeader = header !== undefined && said === undefined && ofMethod === undefined;
  const hasKey = asksHeader && new Headers(header).has(meshHeaders.idempotencyKey);
  return idempotencyFrom(said, ofMethod, hasKey);
}
