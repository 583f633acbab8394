/**
 * Reads an iterable of chunks as a stream, one pull at a time; cancelling the stream ends the iterable. The stream
 * closes once `beforeEnd`, too, has resolved.
 */
export function readableFromIterable(
  chunks: AsyncIterable<Uint8Array>,
  beforeEnd?: () => Promise<void>,
): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done !== true) {
          controller.enqueue(value);
          return;
        }
        await beforeEnd?.();
        controller.close();
      },
      async cancel(reason) {
        // A generator rethrows what is thrown into it; the one that cancelled knows the reason.
        await (iterator.throw === undefined ? iterator.return?.() : iterator.throw(reason).catch(() => {}));
      },
    },
    // Nothing is pulled before the platform asks for it.
    { highWaterMark: 0 },
  );
}

/** Reads a stream chunk by chunk; ending the iteration cancels the stream. `mapError` names what reading throws. */
export function iterableFromReadable(
  body: ReadableStream<Uint8Array> | null,
  mapError: (error: unknown) => unknown = (error) => error,
): AsyncIterable<Uint8Array> {
  const reader = body?.getReader();
  const cancel = async (reason?: unknown): Promise<IteratorResult<Uint8Array>> => {
    await reader?.cancel(reason).catch(() => {});
    return { done: true, value: undefined };
  };
  const iterator: AsyncIterator<Uint8Array> = {
    async next() {
      if (reader === undefined) return { done: true, value: undefined };
      try {
        const { done, value } = await reader.read();
        return done ? { done: true, value: undefined } : { done: false, value };
      } catch (error) {
        throw mapError(error);
      }
    },
    throw: cancel,
    return: cancel,
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
