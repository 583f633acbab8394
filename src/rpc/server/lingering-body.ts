import type { Clock } from "../../core/clock.ts";

/** So much is read at most: twice the largest message that is taken by default. */
const maxLingerBytes = 8 * 1024 * 1024;

/** A request body that is let go of only when the response is out. */
export interface LingeringBody {
  /** The body, chunk by chunk; a reader that stops early leaves the rest for {@link linger}. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Whether its reader has stopped before the end. */
  readonly left: boolean;
  /** Reads what nobody has read, as long as it lasts and the time suffices. Never rejects. */
  linger(): Promise<void>;
}

/**
 * Reads a request's body, and at the end what its reader left unread.
 *
 * A server that closes an HTTP/1.1 connection while the client still sends resets it, and the client never sees
 * the response: a message that is too large would fail with a broken pipe instead of `resource_exhausted`
 * (RFC 9112, section 9.6). Some clients close it themselves when the response begins while they still send (connect-go).
 */
export function lingeringBody(
  body: ReadableStream<Uint8Array>,
  clock: Clock,
  lingerMs: number,
): LingeringBody {
  const reader = body.getReader();
  let ended = false;
  let left = false;

  async function read(): Promise<IteratorResult<Uint8Array>> {
    if (ended || left) return { done: true, value: undefined };
    try {
      const { done, value } = await reader.read();
      if (!done) return { done: false, value };
    } catch (error) {
      ended = true;
      throw error;
    }
    ended = true;
    return { done: true, value: undefined };
  }

  const leave = (): Promise<IteratorResult<Uint8Array>> => {
    left = true;
    return Promise.resolve({ done: true, value: undefined });
  };

  async function discard(): Promise<void> {
    for (let bytes = 0; bytes <= maxLingerBytes; ) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
    }
  }

  return {
    get left() {
      return left && !ended;
    },
    chunks: { [Symbol.asyncIterator]: () => ({ next: read, return: leave, throw: leave }) },
    async linger() {
      if (ended) return;
      left = true;
      let stop = (): void => {};
      const timeIsUp = new Promise<void>((resolve) => {
        stop = clock.schedule(resolve, lingerMs);
      });
      await Promise.race([discard().catch(() => {}), timeIsUp]);
      stop();
      await reader.cancel().catch(() => {});
    },
  };
}
