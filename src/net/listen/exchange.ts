import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { Connection } from "../../core/connection.ts";
import { MeshError } from "../../core/errors.ts";
import type { MessageBody } from "../../http/message-body.ts";
import { lightHeaders } from "../fetch/light-headers.ts";

/** The error of a body or a response whose client left in mid-exchange. */
export function clientGone(): MeshError {
  return new MeshError("ERR_CANCELLED", "The client went away before the exchange was complete");
}

/** The error of a response that goes on where its declared length ends. */
export function longerThanDeclared(): TypeError {
  return new TypeError("The body of the response is longer than its Content-Length");
}

/** A request as a server has read it. */
export interface ExchangeInit {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Undefined when there is none. */
  readonly body: MessageBody | undefined;
  readonly connection: Connection;
  readonly httpVersion: "1.1" | "2";
}

const decimal = /^\d{1,15}$/;

/**
 * One request as it came in by HTTP/1.1 or HTTP/2, and the way back for its response, beneath both the fetch
 * and the RPC side. What costs something (headers, signal) is made when it is first asked for.
 *
 * A response that declares a length gets a body of that length or none that looks complete: more is cut off, less breaks
 * the exchange. Either way the next response on the connection begins where this one ends.
 */
export abstract class Exchange {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: "1.1" | "2";
  readonly connection: Connection;
  /** The body; undefined when there is none. */
  readonly body: MessageBody | undefined;
  /** Whether the head of the response has begun to go out. */
  headersSent = false;

  readonly #requestHeaders: IncomingHttpHeaders;
  #headers: Headers | undefined;
  #controller: AbortController | undefined;
  #gone = false;
  #ended = false;
  #whenGone: (() => void) | undefined;
  #drainListener: (() => void) | undefined;
  /** Bytes that the declared length still has room for; Infinity when none was declared. */
  #left = Infinity;

  constructor(init: ExchangeInit) {
    this.method = init.method;
    this.url = init.url;
    this.#requestHeaders = init.headers;
    this.body = init.body;
    this.connection = init.connection;
    this.httpVersion = init.httpVersion;
  }

  get headers(): Headers {
    this.#headers ??= lightHeaders(this.#requestHeaders);
    return this.#headers;
  }

  /** Aborts when the client goes away before the response is complete. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#gone) this.#controller.abort(clientGone());
    }
    return this.#controller.signal;
  }

  /** Whether the client went away before the response was complete. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Whether nothing more can be written: the response is complete, or the client has gone. */
  get over(): boolean {
    return this.#ended || this.#gone;
  }

  /** The one who writes the response is told here; it replaces whoever was told before. */
  onGone(listener: (() => void) | undefined): void {
    this.#whenGone = listener;
    if (this.#gone) listener?.();
  }

  /** {@link write} may go on after it said no; told once, and also when the client goes away. */
  whenDrained(listener: () => void): void {
    if (this.#gone) listener();
    else this.#drainListener = listener;
  }

  /**
   * Sends a whole response. The headers are the exchange's to change.
   *
   * @param payload - undefined for a response without a body
   * @throws TypeError when a header holds what none may; nothing has been sent then
   */
  respond(
    status: number,
    statusText: string,
    headers: OutgoingHttpHeaders,
    payload: string | Uint8Array | undefined,
  ): void {
    if (this.over) return;
    const declared = headers["content-length"];
    if (status === 204 || (typeof declared === "string" && !decimal.test(declared))) {
      delete headers["content-length"];
    }
    this.writeHead(status, statusText, headers, payload, true);
    this.headersSent = true;
    this.#ended = true;
  }

  /**
   * Begins a response whose body follows; over HTTP/1.1 the head waits for the first piece, or for {@link flush}.
   *
   * @throws TypeError when a header holds what none may; nothing has been sent then
   */
  begin(status: number, statusText: string, headers: OutgoingHttpHeaders): void {
    if (this.over) return;
    if (this.method === "HEAD" || status === 204 || status === 304) {
      // What would follow has no place, and would be read as the next response.
      this.respond(status, statusText, headers, undefined);
      return;
    }
    const declared = headers["content-length"];
    if (declared !== undefined) {
      if (decimal.test(String(declared))) this.#left = Number(declared);
      else delete headers["content-length"];
    }
    this.writeHead(status, statusText, headers, undefined, false);
    this.headersSent = true;
  }

  /** Sends a piece of the body. False when the next one should wait for {@link whenDrained}. */
  write(chunk: Uint8Array): boolean {
    if (this.over) return true;
    if (chunk.byteLength >= this.#left) {
      const surplus = chunk.byteLength - this.#left;
      const last = surplus === 0 ? chunk : chunk.subarray(0, this.#left);
      this.#left = 0;
      this.#ended = true;
      if (surplus > 0) this.endsConnection();
      this.writeBytes(last, true);
      if (surplus > 0) throw longerThanDeclared();
      return true;
    }
    this.#left -= chunk.byteLength;
    return this.writeBytes(chunk, false);
  }

  /**
   * Ends the response.
   *
   * @throws TypeError when the body is shorter than it was declared: then it must be aborted
   */
  end(): void {
    if (this.over) return;
    if (this.#left > 0 && this.#left !== Infinity) {
      throw new TypeError(`The body of the response ends ${this.#left} bytes before its Content-Length`);
    }
    this.#ended = true;
    this.writeEnd();
  }

  /** Sends a head that waits for a body to go with. */
  abstract flush(): void;
  /** Ends the exchange so that the client sees that the response is broken. */
  abstract abort(): void;
  /** The trailers that the response ends with; asked for at its end. */
  abstract endWith(trailers: () => OutgoingHttpHeaders): void;

  protected abstract writeHead(
    status: number,
    statusText: string,
    headers: OutgoingHttpHeaders,
    payload: string | Uint8Array | undefined,
    ends: boolean,
  ): void;
  protected abstract writeBytes(chunk: Uint8Array, ends: boolean): boolean;
  protected abstract writeEnd(): void;
  /** The connection should not outlive this response. */
  protected abstract endsConnection(): void;

  /** The transport takes more. */
  protected drained(): void {
    const listener = this.#drainListener;
    this.#drainListener = undefined;
    listener?.();
  }

  /** The exchange is over; `complete` says whether the whole response was handed to the transport. */
  protected closed(complete: boolean): void {
    if (complete || this.#gone) return;
    this.#gone = true;
    this.drained();
    this.#whenGone?.();
    this.#controller?.abort(clientGone());
  }
}
