import type { Readable, Writable } from "node:stream";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { RpcHandler } from "../../rpc/dispatcher.ts";
import { clientGone, type Exchange } from "./exchange.ts";
import { outgoingFrom } from "./light-headers.ts";
import { limits } from "./limits.ts";
import { discard } from "./readable.ts";
import { respondWithError } from "./respond.ts";

async function* bodyOf(request: RpcRequest, exchange: Exchange): AsyncGenerator<Uint8Array> {
  const { source } = exchange;
  if (source === undefined) return;
  request.reading = true;
  try {
    // A handler may stop reading: the answer still goes out on the stream that would be destroyed.
    const chunks = source.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    // Messages keep views of what they were parsed from: those must be plain bytes, no Buffers.
    for await (const { buffer, byteOffset, byteLength } of chunks) {
      yield new Uint8Array(buffer, byteOffset, byteLength);
    }
  } catch (error) {
    throw exchange.gone ? clientGone() : error;
  } finally {
    request.reading = false;
  }
}

/** What an RPC handler is given; its signal is made when somebody asks for it. */
class RpcRequest implements UniversalServerRequest {
  readonly httpVersion: string;
  readonly method: string;
  readonly url: string;
  readonly header: Headers;
  readonly body: AsyncIterable<Uint8Array>;
  /** Whether the body is being read; undefined when that has not begun. */
  reading: boolean | undefined = undefined;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.httpVersion = exchange.httpVersion;
    this.method = exchange.method;
    this.url = exchange.url;
    this.header = exchange.headers;
    this.body = bodyOf(this, exchange);
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }
}

function drained(writable: Writable, exchange: Exchange): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      writable.off("drain", done);
      exchange.onGone(undefined);
      resolve();
    };
    writable.once("drain", done);
    exchange.onGone(done);
  });
}

/** What is left of a request that nobody will read, where its client might not see an answer that comes before. */
function restOf(
  { status }: UniversalServerResponse,
  { reading }: RpcRequest,
  { source, httpVersion }: Exchange,
): Readable | undefined {
  if (source === undefined || source.readableEnded || httpVersion !== "1.1") return undefined;
  // A handler may answer before it reads; an error is the last word.
  return reading === false || (reading === undefined && status !== 200) ? source : undefined;
}

async function write(
  response: UniversalServerResponse,
  request: RpcRequest,
  exchange: Exchange,
): Promise<void> {
  const { writable } = exchange;
  // A failed write shows as `close`; without a listener the error would end the process.
  writable.on("error", () => {});
  const iterator = response.body?.[Symbol.asyncIterator]();
  try {
    // The first message is made before the headers go out: until then a handler may still set some.
    let next = await iterator?.next();
    const rest = restOf(response, request, exchange);
    if (rest !== undefined) await discard(rest, limits.earlyAnswerBytes, limits.earlyAnswerMs);
    if (exchange.gone) return;
    exchange.headWithTrailers(response.status, outgoingFrom(response.header), () =>
      outgoingFrom(response.trailer),
    );
    let left = Number(response.header?.get("content-length") ?? Number.NaN);
    // A stream that begins with nothing wants its headers on the way; a message without fields is no stream.
    if (next?.done === false && next.value.byteLength === 0 && left !== 0) exchange.flush();
    for (; iterator !== undefined && next?.done === false; next = await iterator.next()) {
      const { value } = next;
      left -= value.byteLength;
      if (left === 0) {
        // On Deno, an empty write over TLS may never finish, and the connection with it: the last piece ends the body.
        if (value.byteLength > 0) writable.end(value);
        else writable.end();
        // Come to its end, and not given up, it is a call that succeeded.
        await iterator.next();
        return;
      }
      if (value.byteLength > 0 && !writable.write(value)) await drained(writable, exchange);
      if (exchange.gone) return;
    }
    writable.end();
  } finally {
    // Lets the handler's `finally` run when the client left.
    iterator?.return?.().catch(() => {});
  }
}

/** Runs one RPC: hands the request to its handler and writes what comes back, trailers included. */
export async function exchangeRpc(
  handler: RpcHandler,
  exchange: Exchange,
  onError?: (error: unknown) => void,
): Promise<void> {
  try {
    const request = new RpcRequest(exchange);
    const response = await handler(request, exchange.connection);
    if (exchange.gone) {
      response.body?.[Symbol.asyncIterator]()
        .return?.()
        .catch(() => {});
      return;
    }
    await write(response, request, exchange);
  } catch (error) {
    if (exchange.gone) return;
    onError?.(error);
    respondWithError(exchange);
  }
}
