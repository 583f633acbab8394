import type { OutgoingHttpHeaders } from "node:http";
import { connectionFields } from "../../core/headers.ts";
import { h2 } from "../../http/http2/frame/frame-types.ts";
import type { Fields, Http2Stream, StreamHandler } from "../../http/http2/streams/stream.ts";
import { MessageBody } from "../../http/message-body.ts";
import { clientGone, Exchange, type ExchangeInit } from "./exchange.ts";

/** How long a client may go on sending to a handler that has responded without reading everything. */
const lateMs = 500;
const encoder = new TextEncoder();

function fieldsOf(status: number | undefined, headers: OutgoingHttpHeaders): string[] {
  const fields: string[] = status === undefined ? [] : [":status", String(status)];
  for (const given in headers) {
    const value = headers[given];
    const name = given.toLowerCase();
    if (value === undefined || connectionFields.has(name)) continue;
    if (Array.isArray(value)) for (const each of value) fields.push(name, each);
    else fields.push(name, String(value));
  }
  return fields;
}

/** An exchange over HTTP/2. */
export class Http2Exchange extends Exchange implements StreamHandler {
  readonly #stream: Http2Stream;
  #trailers: (() => OutgoingHttpHeaders) | undefined = undefined;
  #lateTimer: ReturnType<typeof setTimeout> | undefined = undefined;

  /** @param ended - whether the request has no body */
  constructor(stream: Http2Stream, ended: boolean, init: Omit<ExchangeInit, "body" | "httpVersion">) {
    const expects = init.headers.expect?.toLowerCase() === "100-continue";
    const body = ended
      ? undefined
      : new MessageBody(
          {
            wanted: () => {
              // One of unknown length may be a stream of events.
              if (init.headers["content-length"] !== undefined) stream.expectBody();
              if (expects) stream.continue();
            },
            pause: () => stream.pause(),
            resume: () => stream.resume(),
          },
          clientGone,
        );
    // What should have no body may still get one; it is passed over.
    const seen = init.method !== "GET" && init.method !== "HEAD";
    super({ ...init, body: seen ? body : undefined, httpVersion: "2" });
    if (!seen) body?.discard();
    this.#stream = stream;
    stream.handler = this;
  }

  onHeaders(): void {
    // They were there before the stream was.
  }

  onData(chunk: Uint8Array): void {
    this.body?.push(chunk);
  }

  onTrailers(): void {
    // Nobody asks for those of a request.
  }

  onEnd(): void {
    clearTimeout(this.#lateTimer);
    this.body?.end();
  }

  onDrain(): void {
    this.drained();
  }

  onClose(): void {
    const stream = this.#stream;
    clearTimeout(this.#lateTimer);
    this.body?.fail();
    this.closed(stream.localEnded && stream.closeReason !== "lost" && stream.rstCode === h2.noError);
  }

  /** HTTP/2 headers never wait. */
  flush(): void {}

  abort(): void {
    this.#stream.close(h2.internalError);
  }

  endWith(trailers: () => OutgoingHttpHeaders): void {
    this.#trailers = trailers;
  }

  protected writeHead(
    status: number,
    _statusText: string,
    headers: OutgoingHttpHeaders,
    payload: string | Uint8Array | undefined,
    ends: boolean,
  ): void {
    const stream = this.#stream;
    const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
    const bare = bytes === undefined || bytes.byteLength === 0;
    stream.respond(fieldsOf(status, headers), ends && bare);
    if (!ends) return;
    if (!bare) stream.write(bytes, true);
    this.#discardRest();
  }

  protected writeBytes(chunk: Uint8Array, ends: boolean): boolean {
    const more = this.#stream.write(chunk, ends && this.#trailers === undefined);
    if (ends) this.writeEnd();
    return more;
  }

  protected writeEnd(): void {
    const trailers: Fields = this.#trailers === undefined ? [] : fieldsOf(undefined, this.#trailers());
    if (trailers.length === 0) this.#stream.end();
    else this.#stream.endWithTrailers(trailers);
    this.#discardRest();
  }

  /** Only the stream ends. */
  protected endsConnection(): void {}

  /**
   * Lets a client finish what it is sending: a reset at once, which the standard allows, makes some clients
   * lose the response. One that does not come to an end is told to stop.
   */
  #discardRest(): void {
    const stream = this.#stream;
    if (stream.remoteEnded || stream.closed) return;
    this.body?.discard();
    this.#lateTimer = setTimeout(() => {
      // The end of the response may still wait for a client that reads slowly.
      if (stream.localEnded) stream.close(h2.noError);
      else stream.letGoAtEnd = true;
    }, lateMs);
  }
}
