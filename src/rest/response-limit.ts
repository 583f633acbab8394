import type { Call } from "../core/call.ts";
import { MeshError } from "../core/errors.ts";
import { markUpstream } from "../core/upstream.ts";

/** The largest response body that is read whole, in bytes, unless an option says otherwise. */
export const defaultMaxResponseBytes: number = 10 * 1024 * 1024;

/** What a transport rejects with when a body grows beyond its limit; the code that knows the call makes an error of it. */
export const bodyOverflow: unique symbol = Symbol("body overflow");

/** @throws TypeError | RangeError when `maxResponseBytes` is no whole number from 1 and not `Infinity` */
export function checkMaxResponseBytes(who: string, maxResponseBytes: unknown): number {
  if (typeof maxResponseBytes !== "number") {
    throw new TypeError(
      `${who}: maxResponseBytes is ${typeof maxResponseBytes}; pass a number of bytes, or Infinity`,
    );
  }
  if (maxResponseBytes === Infinity || (Number.isInteger(maxResponseBytes) && maxResponseBytes >= 1)) {
    return maxResponseBytes;
  }
  throw new RangeError(
    `${who}: maxResponseBytes is ${maxResponseBytes}; pass a whole number from 1, or Infinity`,
  );
}

/** The error for a response body that is larger than the limit. */
export function bodyTooLarge(call: Call, maxBytes: number): MeshError {
  return markUpstream(
    new MeshError(
      "ERR_BODY_TOO_LARGE",
      `Cannot read the response of ${call.service} ${call.operation}: its body is larger than ${maxBytes} bytes; raise maxResponseBytes, or read the body as a stream`,
    ),
  );
}

/**
 * Gathers a stream of bytes; rejects with {@link bodyOverflow} as soon as there are more than `maxBytes`. The stream is
 * cancelled by the code that ends the exchange.
 */
export async function gather(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value);
    length += next.value.byteLength;
    if (length > maxBytes) throw bodyOverflow;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

/**
 * A body that fails once more than `maxBytes` have come out of it.
 *
 * @param cancel - ends the exchange, with the error
 */
export function limitedBody(
  body: ReadableStream<Uint8Array> | null,
  call: Call,
  maxBytes: number,
  cancel: (reason: unknown) => void,
): ReadableStream<Uint8Array> | null {
  if (body === null || maxBytes === Infinity) return body;
  const reader = body.getReader();
  let left = maxBytes;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) {
          controller.close();
          return;
        }
        left -= value.byteLength;
        if (left < 0) {
          const error = bodyTooLarge(call, maxBytes);
          cancel(error);
          throw error;
        }
        controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
