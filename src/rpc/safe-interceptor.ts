import type { HandlerContext, Interceptor } from "@connectrpc/connect";
import { ignoreRejection, isThenable } from "../core/hooks.ts";

type AnyFn = ReturnType<Interceptor>;
type AnyImpl = (input: unknown, context: HandlerContext) => unknown;

/**
 * The function that an interceptor makes.
 *
 * @throws TypeError when it makes none: one that is itself asynchronous makes a promise, which may reject
 */
export function applyInterceptor(interceptor: Interceptor, next: AnyFn): AnyFn {
  const fn: unknown = interceptor(next);
  if (typeof fn === "function") return fn as AnyFn;
  ignoreRejection(fn);
  throw new TypeError(
    "Cannot run an interceptor: it returned no function; make it (next) => async (request) => …",
  );
}

/** The same interceptor, where what is none fails the call and nothing else. */
export function safeInterceptor(interceptor: Interceptor): Interceptor {
  return (next) => applyInterceptor(interceptor, next);
}

/** The iterator of a stream that a handler or an interceptor made; @throws TypeError when it is none */
export function iteratorOf<T>(messages: AsyncIterable<T>): AsyncIterator<T> {
  const iterator = messages[Symbol.asyncIterator]() as AsyncIterator<T> | undefined;
  if (typeof iterator?.next === "function") return iterator;
  ignoreRejection(iterator);
  throw new TypeError("Cannot read a stream: it has no iterator; return an async iterable");
}

/** The same implementation of a streaming method, whose stream may come late, and may never come. */
export function safeStream(impl: AnyImpl): AnyImpl {
  return function stream(input, context) {
    const output = impl(input, context);
    return isThenable(output)
      ? lateStream(output as PromiseLike<AsyncIterable<unknown>>)
      : safeIterable(output as AsyncIterable<unknown>);
  };
}

/** The same messages, read by way of {@link iteratorOf}. */
export function safeIterable<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => iteratorOf(messages) };
}

async function* lateStream(stream: PromiseLike<AsyncIterable<unknown>>): AsyncGenerator<unknown> {
  yield* safeIterable(await stream);
}
