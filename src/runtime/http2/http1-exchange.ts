import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { ConnectionRecord, Connections } from "./connections.ts";
import { Exchange } from "./exchange.ts";

const slot: unique symbol = Symbol("exchange");

/** One listener for all responses: a closure for each costs more than the look-up. */
function onClose(this: ServerResponse & { [slot]?: Http1Exchange }): void {
  this[slot]?.over();
}

/** An exchange over HTTP/1.1. */
export class Http1Exchange extends Exchange {
  readonly writable: ServerResponse;
  readonly #request: IncomingMessage;
  readonly #connections: Connections;
  readonly #record: ConnectionRecord;

  constructor(
    request: IncomingMessage,
    response: ServerResponse & { [slot]?: Http1Exchange },
    url: string,
    withBody: boolean,
    record: ConnectionRecord,
    connections: Connections,
  ) {
    super(request.method ?? "GET", url, request.headers, withBody ? request : undefined, record.face, "1.1");
    this.writable = response;
    this.#request = request;
    this.#connections = connections;
    this.#record = record;
    response[slot] = this;
    response.on("close", onClose);
    connections.begin(record);
  }

  get headersSent(): boolean {
    return this.writable.headersSent;
  }

  head(status: number, statusText: string, headers: OutgoingHttpHeaders, end: boolean): void {
    if (this.#connections.draining) headers.connection = "close";
    // The framing is the server's business.
    if (headers["transfer-encoding"] !== undefined) delete headers["transfer-encoding"];
    if (statusText === "") this.writable.writeHead(status, headers);
    else this.writable.writeHead(status, statusText, headers);
    if (end) this.writable.end();
  }

  /** gRPC does not run over HTTP/1.1; Connect and gRPC-Web put their trailers into the body. */
  headWithTrailers(status: number, headers: OutgoingHttpHeaders): void {
    this.head(status, "", headers, false);
  }

  flush(): void {
    this.writable.flushHeaders();
  }

  abort(): void {
    this.writable.destroy();
  }

  /** The response has closed. */
  over(): void {
    this.closed(this.writable.writableFinished);
    // What nobody read stands between this request and the next one on the connection.
    const { source } = this;
    if (source !== undefined && !source.readableEnded) this.#request.removeAllListeners("data").resume();
    this.#connections.end(this.#record);
  }
}
