import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { Readable, Writable } from "node:stream";
import type { Connection } from "../../core/connection.ts";
import { MeshError } from "../../core/errors.ts";
import { lightHeaders } from "./light-headers.ts";

/** The error of a body or an answer whose client left in mid-exchange. */
export function clientGone(): MeshError {
  return new MeshError("ERR_CANCELLED", "The client went away before the exchange was complete");
}

/**
 * One request as it came in by HTTP/1.1 or HTTP/2, and the way back for its answer, beneath both the fetch
 * and the RPC side. What costs something (headers, signal) is made when it is first asked for.
 */
export abstract class Exchange {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly connection: Connection;
  /** The body; undefined when there is none. */
  readonly source: Readable | undefined;

  readonly #nodeHeaders: IncomingHttpHeaders;
  #headers: Headers | undefined;
  #controller: AbortController | undefined;
  #gone = false;
  #whenGone: (() => void) | undefined;

  constructor(
    method: string,
    url: string,
    nodeHeaders: IncomingHttpHeaders,
    source: Readable | undefined,
    connection: Connection,
    httpVersion: string,
  ) {
    this.method = method;
    this.url = url;
    this.#nodeHeaders = nodeHeaders;
    this.source = source;
    this.connection = connection;
    this.httpVersion = httpVersion;
  }

  get headers(): Headers {
    this.#headers ??= lightHeaders(this.#nodeHeaders);
    return this.#headers;
  }

  /** Aborts when the client goes away before the answer is complete. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#gone) this.#controller.abort(clientGone());
    }
    return this.#controller.signal;
  }

  /** Where the answer is written. */
  abstract readonly writable: Writable;
  abstract readonly headersSent: boolean;
  /** Writes status and headers; `end` says that nothing follows. The headers are the exchange's to change. */
  abstract head(status: number, statusText: string, headers: OutgoingHttpHeaders, end: boolean): void;
  /** Writes status and headers of an answer that ends with trailers, if there are any then. */
  abstract headWithTrailers(
    status: number,
    headers: OutgoingHttpHeaders,
    trailers: () => OutgoingHttpHeaders,
  ): void;
  /** Sends the headers that wait for a body to go with. */
  abstract flush(): void;
  /** Ends the exchange so that the client sees that the answer is broken. */
  abstract abort(): void;

  /** Whether the client went away before the answer was complete. */
  get gone(): boolean {
    return this.#gone;
  }

  /** The one who writes the answer is told here; it replaces whoever was told before. */
  onGone(listener: (() => void) | undefined): void {
    this.#whenGone = listener;
    if (this.#gone) listener?.();
  }

  /** The exchange is over; `complete` says whether the whole answer was handed to the socket. */
  protected closed(complete: boolean): void {
    if (complete || this.#gone) return;
    this.#gone = true;
    this.#whenGone?.();
    this.#controller?.abort(clientGone());
  }
}
