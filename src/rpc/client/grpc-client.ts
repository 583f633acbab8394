import type { DescMethodStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import type { ContextValues, StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";
import { Call } from "../../core/call.ts";
import { meshCall } from "../context.ts";
import {
  type CancelSource,
  ClientConfig,
  type GrpcTransportOptions,
  metadataOf,
  requestHeaders,
} from "./grpc-client-options.ts";
import type { RpcConnectionPool } from "./rpc-connection.ts";
import type { RpcTransport, RpcTransportState } from "./rpc-transport.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";

/** The gRPC client of one endpoint. */
export interface GrpcTransport extends RpcTransport {
  /**
   * It stops with the `Call` in its context values, and needs no `AbortSignal` beside it: making one per call
   * costs more than the rest of a small call.
   */
  readonly followsCall: true;
  state(): RpcTransportState;
}

/** How long open calls may go on when the transport is closed. */
const defaultCloseGraceMs = 30_000;

/** A stated timeout counts, zero and below mean none, as in Connect's own transports. */
function timeoutOf(
  config: ClientConfig,
  timeoutMs: number | undefined,
  cancel: CancelSource | undefined,
): number | undefined {
  const stated = timeoutMs ?? config.defaultTimeoutMs;
  if (stated !== undefined && stated > 0) return stated;
  const deadline = cancel instanceof Call ? cancel.deadline : Infinity;
  return deadline === Infinity ? undefined : Math.max(deadline - config.clock.now(), 0);
}

/** What stops a call: the signal, else the mesh's call on whose behalf it is made. */
function cancelOf(
  signal: AbortSignal | undefined,
  values: ContextValues | undefined,
): CancelSource | undefined {
  return signal ?? values?.get(meshCall);
}

function makeTransport(config: ClientConfig): Transport {
  // What is thrown before a call is on its way, for metadata that is none for example, rejects as well.
  function unary(...args: UnaryArguments): Promise<UnaryResponse> {
    return new Promise((resolve, reject) => {
      const [method, signal, timeout, header, message, values] = args;
      const cancel = cancelOf(signal, values);
      const timeoutMs = timeoutOf(config, timeout, cancel);
      const plan = config.planOf(method);
      const headers = requestHeaders(plan, timeoutMs, metadataOf(header));
      new UnaryCall({ config, plan, method, headers, message, timeoutMs, cancel }, resolve, reject).start();
    });
  }

  function stream(...args: StreamArguments): Promise<StreamResponse> {
    return new Promise((resolve, reject) => {
      const [method, signal, timeout, header, messages, values] = args;
      const cancel = cancelOf(signal, values);
      const timeoutMs = timeoutOf(config, timeout, cancel);
      const plan = config.planOf(method);
      const headers = requestHeaders(plan, timeoutMs, metadataOf(header));
      const init = { config, plan, method, headers, messages, timeoutMs, cancel };
      const call = new StreamCall(init, resolve, reject);
      // The caller's own stream may fail before its first message.
      call.start().catch((error: unknown) => call.fail(error));
    });
  }

  // Connect's own signatures tie the response to the type of the method, which says nothing at run time.
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

/**
 * Makes the gRPC client of one endpoint, straight on HTTP/2 streams. It connects at the first call.
 *
 * @throws TypeError for an origin that is none
 * @throws RangeError for a limit out of range
 */
export function createGrpcTransport(options: GrpcTransportOptions, pool: RpcConnectionPool): GrpcTransport {
  const config = new ClientConfig(options, pool);
  const graceMs = options.closeGraceMs ?? defaultCloseGraceMs;
  return {
    transport: makeTransport(config),
    followsCall: true,
    state: () => pool.state,
    close: () => pool.close(graceMs),
  };
}
