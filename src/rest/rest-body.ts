import type { RestRequest } from "./rest-request.ts";

/**
 * What can be uploaded. Streams and iterables are read with back-pressure, once; a function is called for
 * each attempt, so that the upload can be repeated.
 */
export type RestBody =
  | string
  | ArrayBuffer
  | ArrayBufferView
  | Blob
  | URLSearchParams
  | FormData
  | ReadableStream<Uint8Array>
  | AsyncIterable<string | Uint8Array>
  | (() => ReadableStream<Uint8Array>);

/** A body as it is sent, and the media type that it has by itself; empty when it has none. */
export interface EncodedBody {
  readonly body: RestRequest["body"];
  readonly contentType: string;
}

const bytesType = "application/octet-stream";

/**
 * Encodes JSON.
 *
 * @throws TypeError when the value has no JSON form (a function, a circle, a bigint)
 */
export function encodeJson(who: string, value: unknown): EncodedBody {
  let body: string | undefined;
  try {
    body = JSON.stringify(value);
  } catch (cause) {
    const circle = circleIn(value);
    const why = circle ?? `json cannot be encoded: ${(cause as Error).message}`;
    throw new TypeError(`${who}: ${why}`, { cause });
  }
  if (body === undefined) throw new TypeError(`${who}: json is ${typeof value}, which has no JSON form`);
  return { body, contentType: "application/json" };
}

/** The deepest place that is looked at for a circle. */
const deepest = 100;

/** Says where a value refers to itself, as JavaScript would write it: engines tell it each in words of its own. */
function circleIn(json: unknown): string | undefined {
  const above = new Map<unknown, string>();
  const clean = new Set<unknown>();
  function look(value: unknown, path: string): string | undefined {
    if (typeof value !== "object" || value === null || clean.has(value)) return undefined;
    const before = above.get(value);
    if (before !== undefined)
      return `json refers to itself: ${path} is ${before}; send a value without circles`;
    if (above.size > deepest) return undefined;
    above.set(value, path);
    for (const [key, each] of Object.entries(value)) {
      const circle = look(each, path + (isName.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`));
      if (circle !== undefined) return circle;
    }
    above.delete(value);
    clean.add(value);
    return undefined;
  }
  try {
    return look(json, "json");
  } catch {
    // A getter may throw.
    return undefined;
  }
}

const isName = /^[\p{L}_$][\p{L}\d_$]*$/u;

/**
 * Encodes any other body.
 *
 * @throws TypeError when it is none of the kinds of {@link RestBody}
 */
export function encodeBody(who: string, body: RestBody): EncodedBody {
  if (typeof body === "string") return { body, contentType: "text/plain;charset=UTF-8" };
  if (body instanceof Uint8Array || body instanceof ReadableStream || typeof body === "function") {
    return { body, contentType: bytesType };
  }
  if (body instanceof URLSearchParams) {
    return { body: body.toString(), contentType: "application/x-www-form-urlencoded;charset=UTF-8" };
  }
  if (body instanceof FormData) {
    // The platform knows how to write a form; the boundary is in the media type.
    const form = new Response(body);
    // In this order: Bun forgets the media type once it has opened the stream.
    const contentType = form.headers.get("content-type") ?? "multipart/form-data";
    return { body: form.body ?? undefined, contentType };
  }
  if (body instanceof Blob) {
    return { body: () => body.stream() as ReadableStream<Uint8Array>, contentType: body.type || bytesType };
  }
  if (body instanceof ArrayBuffer) return { body: new Uint8Array(body), contentType: bytesType };
  if (ArrayBuffer.isView(body)) {
    return { body: new Uint8Array(body.buffer, body.byteOffset, body.byteLength), contentType: bytesType };
  }
  if (typeof body === "object" && body !== null && Symbol.asyncIterator in body) {
    return { body: streamFrom(body), contentType: bytesType };
  }
  throw new TypeError(
    `${who}: body is ${body === null ? "null" : typeof body}; pass text, bytes, a Blob, a stream or an async iterable, or use json`,
  );
}

/** A stream that asks the iterable for the next chunk only when the socket wants one. */
function streamFrom(chunks: AsyncIterable<string | Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
      },
      async cancel(reason) {
        await iterator.return?.(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
