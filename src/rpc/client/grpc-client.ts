import type { DescMessage, DescMethod, DescMethodStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import {
  type ContextValues,
  createContextValues,
  type StreamRequest,
  type StreamResponse,
  type Transport,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { Call } from "../../core/call.ts";
import { type PoolState, poolDefaults } from "../../net/connect/session-pool.ts";
import type { RpcTransport } from "../../net/port.ts";
import { meshCall } from "../context.ts";
import type { CancelSource } from "./cancel-source.ts";
import { runIntercepted } from "./client-interceptors.ts";
import {
  ClientConfig,
  type GrpcTransportOptions,
  metadataOf,
  type RequestMetadata,
  requestHeaders,
} from "./grpc-client-options.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";

/** The gRPC client of one endpoint. */
export interface GrpcTransport extends RpcTransport {
  /**
   * It stops with the `Call` in its context values, and needs no `AbortSignal` beside it: making one per call
   * costs more than the rest of a small call.
   */
  readonly followsCall: true;
  /** The sessions at this moment, for metrics. */
  readonly pool: PoolState;
}

type Cancel = AbortSignal | CancelSource | undefined;

function callUnary(
  config: ClientConfig,
  method: DescMethodUnary,
  cancel: Cancel,
  timeoutMs: number | undefined,
  metadata: RequestMetadata | undefined,
  message: object,
): Promise<UnaryResponse> {
  const plan = config.planOf(method);
  const headers = requestHeaders(plan, timeoutMs, metadata);
  return new Promise((resolve, reject) => {
    new UnaryCall({ config, plan, method, headers, message, timeoutMs, cancel }, resolve, reject).start();
  });
}

function callStream(
  config: ClientConfig,
  method: DescMethodStreaming,
  cancel: Cancel,
  timeoutMs: number | undefined,
  metadata: RequestMetadata | undefined,
  messages: AsyncIterable<object>,
): Promise<StreamResponse> {
  const plan = config.planOf(method);
  const headers = requestHeaders(plan, timeoutMs, metadata);
  return new Promise((resolve, reject) => {
    const init = { config, plan, method, headers, messages, timeoutMs, cancel };
    const call = new StreamCall(init, resolve, reject);
    // The caller's own stream may fail before its first message.
    call.start().catch((error: unknown) => call.fail(error));
  });
}

/** A stated timeout counts, zero and below mean none, as in Connect's own transports. */
function timeoutOf(config: ClientConfig, timeoutMs: number | undefined, cancel: Cancel): number | undefined {
  const stated = timeoutMs ?? config.defaultTimeoutMs;
  if (stated !== undefined && stated > 0) return stated;
  const deadline = cancel instanceof Call ? cancel.deadline : Infinity;
  return deadline === Infinity ? undefined : Math.max(deadline - config.clock.now(), 0);
}

/** What stops a call: the signal, else the mesh's call on whose behalf it is made. */
function cancelOf(signal: AbortSignal | undefined, values: ContextValues | undefined): Cancel {
  return signal ?? values?.get(meshCall);
}

function makeTransport(config: ClientConfig): Transport {
  async function unary(
    ...[method, signal, timeout, header, message, values]: UnaryArguments
  ): Promise<UnaryResponse> {
    const cancel = cancelOf(signal, values);
    const timeoutMs = timeoutOf(config, timeout, cancel);
    if (config.interceptors.length === 0) {
      return callUnary(config, method, cancel, timeoutMs, metadataOf(header), message);
    }
    return runIntercepted<UnaryRequest, UnaryResponse>(config, cancel, timeoutMs, {
      request: (requestSignal) => ({
        ...requestCommon(config, method, header, values, requestSignal),
        stream: false,
        method,
        message: create(method.input, message as never),
      }),
      next: (request) =>
        callUnary(config, method, request.signal, timeoutMs, request.header, request.message),
    });
  }

  async function stream(
    ...[method, signal, timeout, header, messages, values]: StreamArguments
  ): Promise<StreamResponse> {
    const cancel = cancelOf(signal, values);
    const timeoutMs = timeoutOf(config, timeout, cancel);
    if (config.interceptors.length === 0) {
      return callStream(config, method, cancel, timeoutMs, metadataOf(header), messages);
    }
    return runIntercepted<StreamRequest, StreamResponse>(config, cancel, timeoutMs, {
      request: (requestSignal) => ({
        ...requestCommon(config, method, header, values, requestSignal),
        stream: true,
        method,
        message: normalized(method.input, messages),
      }),
      next: (request) =>
        callStream(config, method, request.signal, timeoutMs, request.header, request.message),
    });
  }

  return { unary: unary as Transport["unary"], stream: stream as Transport["stream"] };
}

type UnaryArguments = [
  method: DescMethodUnary,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
  header: HeadersInit | undefined,
  message: object,
  values: ContextValues | undefined,
];

type StreamArguments = [
  method: DescMethodStreaming,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
  header: HeadersInit | undefined,
  messages: AsyncIterable<object>,
  values: ContextValues | undefined,
];

/** What the requests that interceptors see have in common. */
function requestCommon(
  config: ClientConfig,
  method: DescMethod,
  header: HeadersInit | undefined,
  values: ContextValues | undefined,
  signal: AbortSignal,
): Pick<UnaryRequest, "service" | "requestMethod" | "url" | "header" | "contextValues" | "signal"> {
  return {
    service: method.parent,
    requestMethod: "POST",
    url: config.planOf(method).url,
    header: new Headers(header),
    contextValues: values ?? createContextValues(),
    signal,
  };
}

async function* normalized(desc: DescMessage, messages: AsyncIterable<object>): StreamRequest["message"] {
  for await (const message of messages) yield create(desc, message as never);
}

/**
 * Opens the gRPC client of one endpoint, straight on HTTP/2 streams. It connects at the first call.
 *
 * @throws TypeError for an origin that is none
 * @throws RangeError for a limit out of range
 */
export function createGrpcTransport(options: GrpcTransportOptions): GrpcTransport {
  const config = new ClientConfig(options);
  const graceMs = options.closeGraceMs ?? poolDefaults.closeGraceMs;
  return {
    transport: makeTransport(config),
    followsCall: true,
    get pool(): PoolState {
      return config.poolState;
    },
    state: () => config.poolState,
    close: () => config.pool.close(graceMs),
  };
}
