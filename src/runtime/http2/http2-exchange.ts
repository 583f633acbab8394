import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { Connection } from "../../core/connection.ts";
import { Exchange } from "./exchange.ts";
import { StreamDuplex } from "./stream-duplex.ts";
import { h2 } from "./wire/frames.ts";
import type { Fields, Http2Stream } from "./wire/stream.ts";

/** Headers that HTTP/2 forbids (RFC 9113, section 8.2.2). */
const connectionHeaders: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** How long a client may go on sending to a handler that has answered without reading everything. */
const lateMs = 500;

/** The fields of a request as Node's servers show them. */
export function incomingFrom(fields: Fields): IncomingHttpHeaders {
  const headers: Record<string, string> = {};
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    if (name.charCodeAt(0) === 0x3a || name === "__proto__") continue;
    const value = fields[at + 1]!;
    const before = headers[name];
    // "constructor" is there before anybody sends it.
    if (typeof before !== "string") headers[name] = value;
    else if (name === "cookie") headers[name] = `${before}; ${value}`;
    else if (!singular.has(name)) headers[name] = `${before}, ${value}`;
  }
  return headers;
}

/** Fields of which the first one counts, as in Node's servers. */
const singular: ReadonlySet<string> = new Set([
  "authorization",
  "content-length",
  "content-type",
  "from",
  "host",
  "if-modified-since",
  "if-unmodified-since",
  "max-forwards",
  "proxy-authorization",
  "referer",
  "user-agent",
]);

function fieldsOf(status: number | undefined, headers: OutgoingHttpHeaders): string[] {
  const fields: string[] = status === undefined ? [] : [":status", String(status)];
  for (const given in headers) {
    const value = headers[given];
    const name = given.toLowerCase();
    if (value === undefined || connectionHeaders.has(name)) continue;
    if (Array.isArray(value)) for (const each of value) fields.push(name, each);
    else fields.push(name, String(value));
  }
  return fields;
}

/** An exchange over HTTP/2. */
export class Http2Exchange extends Exchange {
  readonly writable: StreamDuplex;
  readonly #stream: Http2Stream;
  #headersSent = false;
  #trailers: (() => OutgoingHttpHeaders) | undefined = undefined;

  constructor(
    stream: Http2Stream,
    headers: IncomingHttpHeaders,
    init: {
      readonly method: string;
      readonly url: string;
      /** Whether the request has no body. */
      readonly ended: boolean;
      readonly connection: Connection;
    },
  ) {
    const { method } = init;
    const duplex = new StreamDuplex(stream, {
      trailers: () => (this.#trailers === undefined ? undefined : fieldsOf(undefined, this.#trailers())),
      onClose: () =>
        this.closed(stream.localEnded && stream.fate !== "lost" && stream.rstCode === h2.noError),
    });
    const withBody = method !== "GET" && method !== "HEAD" && !init.ended;
    super(method, init.url, headers, withBody ? duplex : undefined, init.connection, "2");
    this.writable = duplex;
    this.#stream = stream;
    // Also of a request that should have no body: its client may keep the stream open all the same.
    if (!init.ended) duplex.once("finish", () => this.#discardRest());
    if (!withBody) duplex.resume();
  }

  get headersSent(): boolean {
    return this.#headersSent;
  }

  head(status: number, _statusText: string, headers: OutgoingHttpHeaders, end: boolean): void {
    this.#stream.respond(fieldsOf(status, headers), end);
    this.#headersSent = true;
    if (end) this.writable.end();
  }

  headWithTrailers(status: number, headers: OutgoingHttpHeaders, trailers: () => OutgoingHttpHeaders): void {
    this.#trailers = trailers;
    this.head(status, "", headers, false);
  }

  /** HTTP/2 headers never wait. */
  flush(): void {}

  abort(): void {
    this.#stream.close(h2.internalError);
  }

  /**
   * Lets a client finish what it is sending: a reset at once, which the standard allows, makes some clients
   * lose the answer. One that does not come to an end is told to stop.
   */
  #discardRest(): void {
    const stream = this.#stream;
    if (stream.remoteEnded) return;
    this.writable.removeAllListeners("data").resume();
    const timer = setTimeout(() => {
      // The end of the answer may still wait for a client that reads slowly.
      if (stream.localEnded) stream.close(h2.noError);
      else stream.letGoAtEnd = true;
    }, lateMs);
    this.writable.once("end", () => clearTimeout(timer));
    this.writable.once("close", () => clearTimeout(timer));
  }
}
