import {
  ConnectError,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { deadlineExceeded, errorFromCancel } from "../dialect/transport-faults.ts";
import { type CancelSource, watchCancel } from "./cancel-source.ts";
import type { ClientConfig } from "./grpc-client-options.ts";

type AnyFn = Parameters<Interceptor>[0];

interface Intercepted<Req, Res> {
  /** The request as interceptors see it. */
  request(signal: AbortSignal): Req;
  /** The call itself. */
  next(request: Req): Promise<Res>;
}

/**
 * Runs a call within Connect's interceptors, by Connect's rules: the first listed is the outermost, and the
 * request carries a signal that aborts with the caller's, at the deadline, and when the call fails.
 */
export async function runIntercepted<
  Req extends UnaryRequest | StreamRequest,
  Res extends UnaryResponse | StreamResponse,
>(
  config: ClientConfig,
  cancel: AbortSignal | CancelSource | undefined,
  timeoutMs: number | undefined,
  call: Intercepted<Req, Res>,
): Promise<Res> {
  const controller = new AbortController();
  const abort = (reason: unknown): void => controller.abort(reason);
  const stopTimer =
    timeoutMs === undefined ? undefined : config.clock.schedule(() => abort(deadlineExceeded()), timeoutMs);
  const unwatch =
    cancel === undefined ? undefined : watchCancel(cancel, (reason) => abort(errorFromCancel(reason)));
  const settle = (): void => {
    stopTimer?.();
    unwatch?.();
  };
  let next: AnyFn = (request) => call.next(request as Req);
  for (const interceptor of config.interceptors.toReversed()) next = interceptor(next);
  try {
    const response = await next(call.request(controller.signal));
    if (!response.stream) {
      settle();
      return response as Res;
    }
    return { ...response, message: settling(response.message, settle) } as unknown as Res;
  } catch (error) {
    settle();
    const reason = controller.signal.aborted ? controller.signal.reason : error;
    controller.abort(reason);
    throw ConnectError.from(reason);
  }
}

/** The messages of a call, with `settle` called at their end. */
function settling<T>(messages: AsyncIterable<T>, settle: () => void): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator](): AsyncIterator<T> {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            const result = await iterator.next();
            if (result.done === true) settle();
            return result;
          } catch (error) {
            settle();
            throw error;
          }
        },
        async return(value?: unknown) {
          settle();
          return (await iterator.return?.(value)) ?? { done: true, value: undefined };
        },
      };
    },
  };
}
