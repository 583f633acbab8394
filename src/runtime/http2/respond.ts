import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { constants, type ServerHttp2Stream } from "node:http2";
import type { Writable } from "node:stream";
import type { Incoming } from "./incoming.ts";
import { LightResponse } from "./light-response.ts";

/** Where an answer is written: an HTTP/1.1 response or an HTTP/2 stream behind one face. */
export interface Sink {
  readonly writable: Writable;
  /** Writes status and headers; `end` says that nothing follows. */
  head(status: number, statusText: string, headers: OutgoingHttpHeaders, end: boolean): void;
  /** Sends the headers that wait for a body to go with. */
  flush(): void;
  /** Ends the exchange so that the client sees that the answer is broken. */
  abort(): void;
}

/** An HTTP/1.1 response as a sink. `closing` says whether the connection ends with it. */
export function sinkOfHttp1(response: ServerResponse, closing: () => boolean): Sink {
  return {
    writable: response,
    head(status, statusText, headers, end) {
      if (closing()) headers.connection = "close";
      // The framing is the server's business.
      if (headers["transfer-encoding"] !== undefined) delete headers["transfer-encoding"];
      if (statusText === "") response.writeHead(status, headers);
      else response.writeHead(status, statusText, headers);
      if (end) response.end();
    },
    flush: () => response.flushHeaders(),
    abort: () => response.destroy(),
  };
}

/** Headers that HTTP/2 forbids (RFC 9113, section 8.2.2). */
const connectionHeaders = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/** An HTTP/2 stream as a sink. */
export function sinkOfHttp2(stream: ServerHttp2Stream): Sink {
  return {
    writable: stream,
    head(status, _statusText, headers, end) {
      for (const name of connectionHeaders) if (headers[name] !== undefined) delete headers[name];
      headers[":status"] = status;
      stream.respond(headers, end ? { endStream: true } : undefined);
    },
    flush() {},
    abort: () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  };
}

/** Copies headers into the form that Node's writers take. */
export function outgoingFrom(headers: Headers | undefined): OutgoingHttpHeaders {
  const outgoing: OutgoingHttpHeaders = { __proto__: null } as unknown as OutgoingHttpHeaders;
  if (headers === undefined) return outgoing;
  for (const [name, value] of headers) {
    if (name !== "set-cookie") outgoing[name] = value;
    else if (outgoing[name] === undefined) outgoing[name] = [value];
    else (outgoing[name] as string[]).push(value);
  }
  return outgoing;
}

const internalError = JSON.stringify({ type: "about:blank", title: "Internal Server Error", status: 500 });

/** Answers for a handler that failed, and tells nothing of why. */
export function respondWithError(sink: Sink): void {
  const headers = { "content-type": "application/problem+json", "content-length": internalError.length };
  sink.head(500, "", headers, false);
  sink.writable.end(internalError);
}

/**
 * Writes a response out. A body that was given as text or bytes goes with the headers in one piece; a
 * stream is read as fast as the client takes it, and cancelled when the client goes away.
 */
export function respond(response: Response, incoming: Incoming, sink: Sink): void {
  const light = response instanceof LightResponse ? response : undefined;
  const source = light?.source;
  const { status, statusText } = response;
  const headers = outgoingFrom(light === undefined ? response.headers : light.writtenHeaders);
  const bare = incoming.method === "HEAD" || status === 204 || status === 304;
  if (typeof source === "string" || source instanceof Uint8Array) {
    const length = typeof source === "string" ? Buffer.byteLength(source) : source.byteLength;
    // A HEAD handler may know the length of what it does not send.
    if (!bare || headers["content-length"] === undefined) headers["content-length"] = length;
    sink.head(status, statusText, headers, bare || length === 0);
    if (!bare && length > 0) sink.writable.end(source);
    return;
  }
  const body = source === undefined ? response.body : source;
  if (body === null || bare) {
    if (!bare && headers["content-length"] === undefined) headers["content-length"] = 0;
    sink.head(status, statusText, headers, true);
    body?.cancel().catch(() => {});
    return;
  }
  const length = Number(headers["content-length"] ?? Number.NaN);
  sink.head(status, statusText, headers, false);
  pump(body, length, incoming, sink);
}

/** Writes a stream out; `length` is what the headers promise, NaN when they do not. */
async function pump(
  body: ReadableStream<Uint8Array>,
  length: number,
  incoming: Incoming,
  sink: Sink,
): Promise<void> {
  const { writable } = sink;
  const reader = body.getReader();
  let left = length;
  let first = true;
  let resume: (() => void) | undefined;
  const wake = (): void => resume?.();
  writable.on("drain", wake);
  // The writer says why it fails by `close`; without a listener the error would end the process.
  writable.on("error", () => {});
  incoming.onGone(() => {
    reader.cancel(incoming.signal.reason).catch(() => {});
    resume?.();
  });
  try {
    for (;;) {
      const next = reader.read();
      if (first) {
        first = false;
        // A first piece that is there already goes with the headers; an event stream must not wait for it.
        const timer = setImmediate(() => sink.flush());
        next.then(
          () => clearImmediate(timer),
          () => clearImmediate(timer),
        );
      }
      const { done, value } = await next;
      if (incoming.gone) return;
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
        if (incoming.gone) return;
      }
    }
    writable.end();
  } catch {
    sink.abort();
    reader.cancel().catch(() => {});
  }
}

/** Lets a source whose last piece has been taken come to its end; one that has still more is told to stop. */
async function finish(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const { done } = await reader.read();
  if (!done) await reader.cancel();
}
