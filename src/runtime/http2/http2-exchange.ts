import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { constants, type ServerHttp2Stream } from "node:http2";
import type { ConnectionRecord, Connections } from "./connections.ts";
import { Exchange } from "./exchange.ts";

/** Headers that HTTP/2 forbids (RFC 9113, section 8.2.2). */
const connectionHeaders = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/** How long a client may go on sending to a handler that has answered without reading everything. */
const lateMs = 500;

/**
 * Lets a client finish what it is sending: a reset at once, which the standard allows, makes some clients
 * lose the answer. One that does not come to an end is told to stop.
 */
function discardRest(stream: ServerHttp2Stream): void {
  stream.removeAllListeners("data").resume();
  const timer = setTimeout(() => stream.close(), lateMs);
  stream.once("end", () => clearTimeout(timer));
  stream.once("close", () => clearTimeout(timer));
}

/** An exchange over HTTP/2. */
export class Http2Exchange extends Exchange {
  readonly writable: ServerHttp2Stream;
  readonly #connections: Connections;
  readonly #record: ConnectionRecord;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    init: {
      readonly method: string;
      readonly url: string;
      readonly record: ConnectionRecord;
      readonly connections: Connections;
    },
  ) {
    const { method, record } = init;
    const withBody =
      method !== "GET" && method !== "HEAD" && !stream.readableEnded && !stream.endAfterHeaders;
    super(method, init.url, headers, withBody ? stream : undefined, record.face, "2");
    this.writable = stream;
    this.#connections = init.connections;
    this.#record = record;
    stream.once("close", () => this.#over());
    if (withBody) {
      stream.once("finish", () => {
        if (!stream.readableEnded) discardRest(stream);
      });
    } else {
      stream.resume();
    }
    init.connections.begin(record);
  }

  get headersSent(): boolean {
    return this.writable.headersSent;
  }

  head(status: number, _statusText: string, headers: OutgoingHttpHeaders, end: boolean): void {
    for (const name of connectionHeaders) if (headers[name] !== undefined) delete headers[name];
    headers[":status"] = status;
    this.writable.respond(headers, end ? { endStream: true } : undefined);
  }

  headWithTrailers(status: number, headers: OutgoingHttpHeaders, trailers: () => OutgoingHttpHeaders): void {
    headers[":status"] = status;
    const stream = this.writable;
    stream.once("wantTrailers", () => stream.sendTrailers(trailers()));
    stream.respond(headers, { waitForTrailers: true });
  }

  /** HTTP/2 headers never wait. */
  flush(): void {}

  abort(): void {
    this.writable.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  #over(): void {
    const stream = this.writable;
    // A reset by the client ends the writable side as if the answer had been complete.
    const reset = stream.aborted || stream.rstCode !== constants.NGHTTP2_NO_ERROR;
    // Not `writableFinished`: Node closes a stream before it says that the last bytes are written.
    this.closed(stream.writableEnded && !reset);
    this.#connections.end(this.#record);
  }
}
