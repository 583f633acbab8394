import type { DescMessage, DescMethodStreaming, DescMethodUnary } from "@bufbuild/protobuf";
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
import type { RpcLeaf } from "../../port.ts";
import type { CancelSource } from "./cancel.ts";
import { ClientConfig, type GrpcLeafOptions, metadataOf, requestHeaders } from "./client-config.ts";
import { runIntercepted } from "./client-interceptors.ts";
import type { PoolState } from "./pool.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";

/**
 * A Connect `Transport` that can also be cancelled by something cheaper than an `AbortSignal`: whoever
 * makes a controller per call pays more for it than for the rest of a small call.
 */
export interface GrpcTransport extends Transport {
  /** As `unary`, cancelled by `cancel`; interceptors of the leaf apply. */
  unaryWith(
    cancel: CancelSource | undefined,
    method: DescMethodUnary,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    message: object,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse>;
  /** As `stream`, cancelled by `cancel`; interceptors of the leaf apply. */
  streamWith(
    cancel: CancelSource | undefined,
    method: DescMethodStreaming,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    messages: AsyncIterable<object>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse>;
}

/** The gRPC client of one endpoint. */
export interface GrpcLeaf extends RpcLeaf {
  readonly transport: GrpcTransport;
  /** The sessions at this moment, for metrics. */
  readonly pool: PoolState;
}

type Cancel = AbortSignal | CancelSource | undefined;

function callUnary(
  config: ClientConfig,
  method: DescMethodUnary,
  cancel: Cancel,
  timeoutMs: number | undefined,
  metadata: Headers | undefined,
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
  metadata: Headers | undefined,
  messages: AsyncIterable<object>,
): Promise<StreamResponse> {
  const plan = config.planOf(method);
  const headers = requestHeaders(plan, timeoutMs, metadata);
  return new Promise((resolve, reject) => {
    void new StreamCall(
      { config, plan, method, headers, messages, timeoutMs, cancel },
      resolve,
      reject,
    ).start();
  });
}

/** A stated timeout counts, zero and below mean none, as in Connect's own transports. */
function timeoutOf(config: ClientConfig, timeoutMs: number | undefined): number | undefined {
  if (timeoutMs === undefined) return config.defaultTimeoutMs;
  return timeoutMs <= 0 ? undefined : timeoutMs;
}

function makeTransport(config: ClientConfig): GrpcTransport {
  function unary(
    cancel: Cancel,
    method: DescMethodUnary,
    timeout: number | undefined,
    header: HeadersInit | undefined,
    message: object,
    contextValues: ContextValues | undefined,
  ): Promise<UnaryResponse> {
    const timeoutMs = timeoutOf(config, timeout);
    if (config.interceptors.length === 0) {
      try {
        return callUnary(config, method, cancel, timeoutMs, metadataOf(header), message);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return runIntercepted<UnaryRequest, UnaryResponse>(config, cancel, timeoutMs, {
      request: (signal) => ({
        stream: false,
        service: method.parent,
        method,
        requestMethod: "POST",
        url: config.planOf(method).url,
        header: new Headers(header),
        contextValues: contextValues ?? createContextValues(),
        message: create(method.input, message as never),
        signal,
      }),
      next: (request) =>
        callUnary(config, method, request.signal, timeoutMs, request.header, request.message),
    });
  }

  function stream(
    cancel: Cancel,
    method: DescMethodStreaming,
    timeout: number | undefined,
    header: HeadersInit | undefined,
    messages: AsyncIterable<object>,
    contextValues: ContextValues | undefined,
  ): Promise<StreamResponse> {
    const timeoutMs = timeoutOf(config, timeout);
    if (config.interceptors.length === 0) {
      try {
        return callStream(config, method, cancel, timeoutMs, metadataOf(header), messages);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return runIntercepted<StreamRequest, StreamResponse>(config, cancel, timeoutMs, {
      request: (signal) => ({
        stream: true,
        service: method.parent,
        method,
        requestMethod: "POST",
        url: config.planOf(method).url,
        header: new Headers(header),
        contextValues: contextValues ?? createContextValues(),
        message: normalized(method.input, messages),
        signal,
      }),
      next: (request) =>
        callStream(config, method, request.signal, timeoutMs, request.header, request.message),
    });
  }

  return {
    unary: ((method, signal, timeoutMs, header, message, values) =>
      unary(signal, method, timeoutMs, header, message, values)) as Transport["unary"],
    stream: ((method, signal, timeoutMs, header, messages, values) =>
      stream(signal, method, timeoutMs, header, messages, values)) as Transport["stream"],
    unaryWith: (cancel, method, timeoutMs, header, message, values) =>
      unary(cancel, method, timeoutMs, header, message, values),
    streamWith: (cancel, method, timeoutMs, header, messages, values) =>
      stream(cancel, method, timeoutMs, header, messages, values),
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
export function createGrpcLeaf(options: GrpcLeafOptions): GrpcLeaf {
  const config = new ClientConfig(options);
  const graceMs = options.closeGraceMs ?? 30_000;
  return {
    transport: makeTransport(config),
    get pool(): PoolState {
      return config.poolState;
    },
    close: () => config.pool.close(graceMs),
  };
}
