import type { Exchange } from "./exchange.ts";
import { outgoingFrom } from "./light-headers.ts";
import { LightResponse } from "./light-response.ts";

const internalError = JSON.stringify({ type: "about:blank", title: "Internal Server Error", status: 500 });

/** Answers for a handler that failed, or whose answer cannot be written, and tells nothing of why. */
export function respondWithError(exchange: Exchange): void {
  if (exchange.gone || exchange.writable.destroyed) return;
  try {
    if (exchange.headersSent) {
      exchange.abort();
      return;
    }
    const headers = { "content-type": "application/problem+json", "content-length": internalError.length };
    exchange.head(500, "", headers, false);
    exchange.writable.end(internalError);
  } catch {
    // The client left at this moment.
    exchange.abort();
  }
}

/**
 * Writes a response out. A body that was given as text or bytes goes with the headers in one piece; a
 * stream is read as fast as the client takes it, and cancelled when the client goes away.
 */
export function respond(response: Response, exchange: Exchange): void {
  const light = response instanceof LightResponse ? response : undefined;
  const source = light?.source;
  const { status, statusText } = response;
  const headers = light === undefined ? outgoingFrom(response.headers) : light.outgoing();
  const bare = exchange.method === "HEAD" || status === 204 || status === 304;
  if (typeof source === "string" || source instanceof Uint8Array) {
    const length = typeof source === "string" ? Buffer.byteLength(source) : source.byteLength;
    // A HEAD handler may know the length of what it does not send.
    if (!bare || headers["content-length"] === undefined) headers["content-length"] = length;
    exchange.head(status, statusText, headers, bare || length === 0);
    if (!bare && length > 0) exchange.writable.end(source);
    return;
  }
  const body = source === undefined ? response.body : source;
  if (body === null || bare) {
    if (!bare && headers["content-length"] === undefined) headers["content-length"] = 0;
    exchange.head(status, statusText, headers, true);
    body?.cancel().catch(() => {});
    return;
  }
  const length = Number(headers["content-length"] ?? Number.NaN);
  exchange.head(status, statusText, headers, false);
  pump(body, length, exchange).catch(() => exchange.abort());
}

/** Writes a stream out; `length` is what the headers promise, NaN when they do not. */
async function pump(body: ReadableStream<Uint8Array>, length: number, exchange: Exchange): Promise<void> {
  const { writable } = exchange;
  const reader = body.getReader();
  let left = length;
  let first = true;
  let resume: (() => void) | undefined;
  const wake = (): void => resume?.();
  writable.on("drain", wake);
  // The writer says why it fails by `close`; without a listener the error would end the process.
  writable.on("error", () => {});
  exchange.onGone(() => {
    reader.cancel(exchange.signal.reason).catch(() => {});
    resume?.();
  });
  try {
    for (;;) {
      const next = reader.read();
      if (first) {
        first = false;
        // A first piece that is there already goes with the headers; an event stream must not wait for it.
        const timer = setImmediate(() => exchange.flush());
        next.then(
          () => clearImmediate(timer),
          () => clearImmediate(timer),
        );
      }
      const { done, value } = await next;
      if (exchange.gone) return;
      if (done) break;
      left -= value.byteLength;
      if (left === 0) {
        // On Deno, an empty last write over TLS may never finish, and the connection with it.
        writable.end(value);
        await finish(reader).catch(() => {});
        return;
      }
      if (!writable.write(value)) {
        await new Promise<void>((resolve) => {
          resume = resolve;
        });
        resume = undefined;
        if (exchange.gone) return;
      }
    }
    writable.end();
  } catch {
    exchange.abort();
    reader.cancel().catch(() => {});
  }
}

/** Lets a source whose last piece has been taken come to its end; one that has still more is told to stop. */
async function finish(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const { done } = await reader.read();
  if (!done) await reader.cancel();
}
