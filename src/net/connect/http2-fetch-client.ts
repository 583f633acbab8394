import { Code, ConnectError } from "@connectrpc/connect";
import type {
  UniversalClientFn,
  UniversalClientRequest,
  UniversalClientResponse,
} from "@connectrpc/connect/protocol";
import { fieldOf } from "../../http/fields.ts";
import { h2 } from "../../http/http2/frame/frame-types.ts";
import type { Fields, Http2Stream, StreamHandler } from "../../http/http2/streams/stream.ts";
import { PendingConnection } from "../../rpc/client/connection-queue.ts";
import type { RpcConnection } from "../../rpc/client/rpc-connection.ts";
import { headersFromFields } from "../../rpc/dialect/header-metadata.ts";
import { errorFromCancel } from "../../rpc/dialect/transport-faults.ts";
import type { SessionPool } from "./session-pool.ts";

/** Bytes of a response that may wait for their reader before the server is held back. */
const highWaterBytes = 64 * 1024;

type Chunk = IteratorResult<Uint8Array, undefined>;

/** The bytes of a response, as they arrive. */
class ResponseChunks implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #exchange: ClientExchange;
  readonly #stream: Http2Stream;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #error: unknown;
  #waiting: { resolve(chunk: Chunk): void; reject(error: unknown): void } | undefined;

  constructor(exchange: ClientExchange, stream: Http2Stream) {
    this.#exchange = exchange;
    this.#stream = stream;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > highWaterBytes) this.#stream.pause();
    this.#serve();
  }

  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#serve();
  }

  next(): Promise<Chunk> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#serve();
    });
  }

  /** The reader has seen enough: the server need not go on. */
  return(): Promise<Chunk> {
    this.#exchange.fail(new ConnectError("the response was not read to its end", Code.Canceled));
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<Chunk> {
    this.#exchange.fail(error);
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const value = this.#chunks.shift();
    if (value !== undefined) {
      this.#waiting = undefined;
      const before = this.#bytes;
      this.#bytes -= value.length;
      if (before > highWaterBytes && this.#bytes <= highWaterBytes) this.#stream.resume();
      waiting.resolve({ done: false, value });
    } else if (this.#ended) {
      this.#waiting = undefined;
      const error = this.#error;
      if (error === undefined) waiting.resolve({ done: true, value: undefined });
      else waiting.reject(error);
    }
  }
}

/** One request and its response. */
class ClientExchange implements StreamHandler {
  readonly #request: UniversalClientRequest;
  readonly #resolve: (response: UniversalClientResponse) => void;
  readonly #reject: (error: unknown) => void;
  readonly #trailer = new Headers();
  #pending: PendingConnection<RpcConnection> | undefined;
  #session: RpcConnection | undefined;
  #stream!: Http2Stream;
  #body!: ResponseChunks;
  #sending: AsyncIterator<Uint8Array> | undefined;
  #drained: (() => void) | undefined;
  #over = false;
  readonly #onAbort = (): void => this.fail(errorFromCancel(this.#request.signal?.reason));

  constructor(
    request: UniversalClientRequest,
    resolve: (response: UniversalClientResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(pool: SessionPool): void {
    const { signal } = this.#request;
    if (signal?.aborted === true) {
      this.#reject(errorFromCancel(signal.reason));
      return;
    }
    signal?.addEventListener("abort", this.#onAbort);
    const session = pool.take();
    // Never rejects: the request fails instead.
    if (session instanceof PendingConnection) void this.#startLater(session);
    else this.#open(session);
  }

  async #startLater(pending: PendingConnection<RpcConnection>): Promise<void> {
    this.#pending = pending;
    try {
      const session = await pending.connection;
      if (this.#over) session.release();
      else this.#open(session);
    } catch (error) {
      const message = error instanceof Error ? error.message : "no connection";
      this.fail(new ConnectError(message, Code.Unavailable, undefined, undefined, error));
    }
  }

  #open(session: RpcConnection): void {
    const { body } = this.#request;
    this.#pending = undefined;
    try {
      this.#stream = session.request(requestFields(this.#request), this);
    } catch (error) {
      session.release();
      this.fail(error);
      return;
    }
    this.#session = session;
    this.#body = new ResponseChunks(this, this.#stream);
    if (body === undefined) this.#stream.end();
    // Never rejects: the request fails instead.
    else void this.#send(body);
  }

  async #send(body: AsyncIterable<Uint8Array>): Promise<void> {
    const stream = this.#stream;
    try {
      const iterator = body[Symbol.asyncIterator]();
      this.#sending = iterator;
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true) break;
        if (!stream.writable) return;
        if (!stream.write(value) && stream.writable) {
          await new Promise<void>((resolve) => {
            this.#drained = resolve;
          });
        }
      }
      this.#sending = undefined;
      stream.end();
    } catch (error) {
      this.#sending = undefined;
      this.fail(error);
    }
  }

  onHeaders(fields: Fields): void {
    this.#resolve({
      status: Number(fieldOf(fields, ":status")),
      header: headersFromFields(fields),
      body: this.#body,
      trailer: this.#trailer,
    });
  }

  onData(chunk: Uint8Array): void {
    this.#body.push(chunk);
  }

  onTrailers(fields: Fields): void {
    headersFromFields(fields).forEach((value, name) => {
      this.#trailer.append(name, value);
    });
  }

  onEnd(): void {
    this.#settle();
    this.#body.end();
    // What is still to be sent is of no use to a server that has responded.
    if (!this.#stream.localEnded) this.#stream.close(h2.cancel);
  }

  onDrain(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.();
  }

  onClose(): void {
    const session = this.#session!;
    session.release();
    if (!this.#over) this.fail(session.errorOf(this.#stream));
    this.onDrain();
    this.#sending?.return?.().catch(() => {});
    this.#sending = undefined;
  }

  /** Ends the exchange with an error; the first one stays. */
  fail(reason: unknown): void {
    if (this.#over) return;
    this.#settle();
    const error = ConnectError.from(reason, Code.Internal);
    this.#reject(error);
    this.#pending?.drop();
    if (this.#session === undefined) return;
    this.#body.end(error);
    this.#session.givenUp(this.#stream, error);
    this.#stream.close(h2.cancel);
  }

  #settle(): void {
    this.#over = true;
    this.#request.signal?.removeEventListener("abort", this.#onAbort);
  }
}

function requestFields(request: UniversalClientRequest): string[] {
  const { protocol, host, pathname, search } = new URL(request.url);
  const fields = [
    ":method",
    request.method,
    ":scheme",
    protocol.slice(0, -1),
    ":path",
    pathname + search,
    ":authority",
    host,
  ];
  request.header.forEach((value, name) => {
    if (name !== "connection" && name !== "host" && name !== "transfer-encoding") fields.push(name, value);
  });
  return fields;
}

/** Makes requests over the pool's sessions, in the form that Connect's protocols want. */
export function createHttp2Client(pool: SessionPool): UniversalClientFn {
  return (request) =>
    new Promise((resolve, reject) => new ClientExchange(request, resolve, reject).start(pool));
}
