/** The messages that a streaming call sends, handed to one attempt after another. */
export interface StreamInput {
  /** Whether another attempt would send all that the first one did. */
  readonly replayable: boolean;
  /** The messages for one attempt. */
  open(): AsyncIterable<unknown>;
  /** Tells the source that nobody will ask for more. */
  close(): void;
}

const finished: IteratorResult<unknown> = { done: true, value: undefined };
/** A server-streaming request is one message and the end. */
const keptResults = 2;

/**
 * The input of a server-streaming call: its one message is kept, so that every attempt can send it.
 *
 * Should a caller send more than one (the server will refuse that), the others pass through once.
 */
export function singleInput(source: AsyncIterable<unknown>): StreamInput {
  const iterator = source[Symbol.asyncIterator]();
  const kept: Promise<IteratorResult<unknown>>[] = [];
  let overrun = false;
  const nextAt = (index: number): Promise<IteratorResult<unknown>> => {
    const known = kept[index];
    if (known !== undefined) return known;
    const result = iterator.next();
    if (index < keptResults) kept.push(result);
    else overrun = true;
    return result;
  };
  return {
    get replayable() {
      return !overrun;
    },
    open() {
      let index = 0;
      const attempt: AsyncIterator<unknown> = {
        next: () => nextAt(index++),
        // Connect's own transports demand it, to stop a request that is not wanted any more.
        throw: async () => finished,
      };
      return { [Symbol.asyncIterator]: () => attempt };
    },
    close: () => release(iterator),
  };
}

/** The input of a call that streams to the server: it can be sent again only while nothing of it was asked for. */
export function liveInput(source: AsyncIterable<unknown>): StreamInput {
  const iterator = source[Symbol.asyncIterator]();
  let pulled = false;
  return {
    get replayable() {
      return !pulled;
    },
    open() {
      let mine = false;
      const attempt: AsyncIterator<unknown> = {
        next() {
          if (pulled && !mine) return Promise.resolve(finished);
          pulled = true;
          mine = true;
          return iterator.next();
        },
        // An attempt that never asked for anything leaves the source to the next one.
        async throw(error) {
          if (mine && iterator.throw !== undefined) return iterator.throw(error);
          return finished;
        },
        async return(value) {
          if (mine && iterator.return !== undefined) return iterator.return(value);
          return finished;
        },
      };
      return { [Symbol.asyncIterator]: () => attempt };
    },
    close: () => release(iterator),
  };
}

function release(iterator: AsyncIterator<unknown>): void {
  iterator.return?.()?.catch(() => {});
}
