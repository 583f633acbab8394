import type { OutgoingHttpHeaders } from "node:http";
import type { Http1Stream, Http1StreamHandler } from "../../http/http1/http1-stream.ts";
import { Exchange, type ExchangeInit } from "./exchange.ts";

/** An exchange over HTTP/1.1. */
export class Http1Exchange extends Exchange implements Http1StreamHandler {
  readonly #stream: Http1Stream;
  readonly #onOver: () => void;

  /** @param onOver - told once, when the exchange has come to its end */
  constructor(stream: Http1Stream, init: ExchangeInit, onOver: () => void) {
    super(init);
    this.#stream = stream;
    this.#onOver = onOver;
    stream.handler = this;
  }

  onDrain(): void {
    this.drained();
  }

  onClose(complete: boolean): void {
    try {
      this.closed(complete);
    } finally {
      this.#onOver();
    }
  }

  flush(): void {
    this.#stream.flush();
  }

  abort(): void {
    this.#stream.abort();
  }

  /** Trailers have no place here: gRPC does not run over HTTP/1.1; Connect and gRPC-Web put theirs into the body. */
  endWith(): void {}

  protected writeHead(
    status: number,
    statusText: string,
    headers: OutgoingHttpHeaders,
    payload: string | Uint8Array | undefined,
    ends: boolean,
  ): void {
    this.#stream.respond(status, statusText, headers, payload, ends);
  }

  protected writeBytes(chunk: Uint8Array, ends: boolean): boolean {
    return this.#stream.write(chunk, ends);
  }

  protected writeEnd(): void {
    this.#stream.end();
  }

  protected endsConnection(): void {
    this.#stream.endsConnection();
  }
}
