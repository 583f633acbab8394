import { ConnectError } from "@connectrpc/connect";

/**
 * What was thrown, or an error in its place when it cannot be looked at: anything can be thrown, also objects whose
 * properties throw, and the code that handles errors must not fail over one.
 */
export function readableError(thrown: unknown): unknown {
  try {
    if (!(thrown instanceof Error)) String(thrown);
    // Connect tells its errors by their properties.
    else if (!(thrown instanceof ConnectError)) String([thrown.name, thrown.message, typeof thrown.cause]);
    return thrown;
  } catch {
    return new Error("something was thrown that cannot be read");
  }
}

/** The same messages, whose failure can be looked at. */
export function readableMessages<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  const fail = (error: unknown): never => {
    throw readableError(error);
  };
  return {
    [Symbol.asyncIterator]() {
      const inner = messages[Symbol.asyncIterator]();
      const iterator: AsyncIterator<T> = {
        async next() {
          try {
            return await inner.next();
          } catch (error) {
            return fail(error);
          }
        },
      };
      const giveUp = inner.return?.bind(inner);
      const raise = inner.throw?.bind(inner);
      if (giveUp !== undefined) iterator.return = (value) => giveUp(value).catch(fail);
      if (raise !== undefined) iterator.throw = (error) => raise(error).catch(fail);
      return iterator;
    },
  };
}
