export const encoder: TextEncoder = new TextEncoder();

/** A body that the test feeds, and that notes what becomes of it. */
export interface Feed {
  readonly body: ReadableStream<Uint8Array>;
  push(text: string): void;
  end(): void;
  fail(error: unknown): void;
  /** Why it was cancelled; empty while it was not. */
  readonly cancelled: unknown[];
  /** How often it was asked for more. */
  readonly pulls: number;
}

/** Makes a {@link Feed}. */
export function feed(): Feed {
  const cancelled: unknown[] = [];
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let pulls = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      pull() {
        pulls++;
      },
      cancel(reason) {
        cancelled.push(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return {
    body,
    cancelled,
    get pulls() {
      return pulls;
    },
    push: (text) => controller?.enqueue(encoder.encode(text)),
    end: () => controller?.close(),
    fail: (error) => controller?.error(error),
  };
}
