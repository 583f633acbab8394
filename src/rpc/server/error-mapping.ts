import { ConnectError, type ContextKey, createContextKey, type Interceptor } from "@connectrpc/connect";
import { meshCall } from "../context.ts";
import type { CallLifecycle } from "./call-lifecycle.ts";
import type { ServedCall } from "./response-body.ts";
import { iteratorOf } from "./safe-interceptor.ts";

/** Where the error mapping leaves what it saw, for whoever judges the call at its end. */
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
