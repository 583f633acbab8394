import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { constants, type ServerHttp2Stream } from "node:http2";
import type { Writable } from "node:stream";
import type { Connections } from "./connections.ts";

/** Where an answer is written: an HTTP/1.1 response or an HTTP/2 stream behind one face. */
export interface Sink {
  readonly writable: Writable;
  readonly headersSent: boolean;
  /** Writes status and headers; `end` says that nothing follows. The headers are the sink's to change. */
  head(status: number, statusText: string, headers: OutgoingHttpHeaders, end: boolean): void;
  /** Writes status and headers of an answer that ends with trailers, if there are any then. */
  headWithTrailers(status: number, headers: OutgoingHttpHeaders, trailers: () => OutgoingHttpHeaders): void;
  /** Sends the headers that wait for a body to go with. */
  flush(): void;
  /** Ends the exchange so that the client sees that the answer is broken. */
  abort(): void;
}

/** An HTTP/1.1 response as a sink. */
export class Http1Sink implements Sink {
  readonly writable: ServerResponse;
  readonly #connections: Connections;

  constructor(response: ServerResponse, connections: Connections) {
    this.writable = response;
    this.#connections = connections;
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
}

/** Headers that HTTP/2 forbids (RFC 9113, section 8.2.2). */
const connectionHeaders = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/** An HTTP/2 stream as a sink. */
export class Http2Sink implements Sink {
  readonly writable: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream) {
    this.writable = stream;
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
}
