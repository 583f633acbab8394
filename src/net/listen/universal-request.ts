import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Clock } from "../../core/clock.ts";
import type { HttpExchange } from "../../http/exchange.ts";
import { fieldOf } from "../../http/fields.ts";
import type { MessageBody } from "../../http/message-body.ts";
import type { RpcHandler } from "../../rpc/server/dispatcher.ts";
import { fieldsFrom, lightHeaders } from "../fetch/light-headers.ts";
import { limits } from "./listener-limits.ts";

async function* bodyOf(request: UniversalRequest, { body }: HttpExchange): AsyncGenerator<Uint8Array> {
  if (body === undefined) return;
  request.reading = true;
  try {
    for (let chunk = await body.read(); chunk !== undefined; chunk = await body.read()) yield chunk;
  } finally {
    request.reading = false;
  }
}

/** What an RPC handler is given; its signal is made when somebody asks for it. */
class UniversalRequest implements UniversalServerRequest {
  readonly httpVersion: string;
  readonly method: string;
  readonly url: string;
  readonly header: Headers;
  readonly body: AsyncIterable<Uint8Array>;
  /** Whether the body is being read; undefined when that has not begun. */
  reading: boolean | undefined = undefined;
  readonly #exchange: HttpExchange;

  constructor(exchange: HttpExchange) {
    this.#exchange = exchange;
    this.httpVersion = exchange.httpVersion;
    this.method = exchange.method;
    this.url = exchange.url;
    this.header = lightHeaders(exchange.fields);
    this.body = bodyOf(this, exchange);
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }
}

/** What is left of a request that nobody will read, where its client might not see a response that comes before. */
function restOf(
  { status }: UniversalServerResponse,
  { reading }: UniversalRequest,
  { body, fields, httpVersion }: HttpExchange,
): MessageBody | undefined {
  if (body === undefined || body.ended || httpVersion !== "1.1") return undefined;
  // Who waits for a 100 that nobody sent sends nothing.
  if (!body.used && fieldOf(fields, "expect") !== undefined) return undefined;
  // A handler may respond before it reads; an error is the last word.
  return reading === false || (reading === undefined && status !== 200) ? body : undefined;
}

async function write(
  response: UniversalServerResponse,
  request: UniversalRequest,
  exchange: HttpExchange,
  clock: Clock,
): Promise<void> {
  const iterator = response.body?.[Symbol.asyncIterator]();
  try {
    // The first message is made before the headers go out: until then a handler may still set some.
    let next = await iterator?.next();
    const rest = restOf(response, request, exchange);
    if (rest !== undefined) await rest.discarded(clock, limits.earlyBytes, limits.earlyMs);
    if (exchange.gone) return;
    exchange.begin(response.status, fieldsFrom(response.header));
    // A stream that begins with nothing wants its headers on the way; a message without fields is no stream.
    if (next?.done === false && next.value.byteLength === 0 && !response.header?.has("content-length")) {
      exchange.flush();
    }
    for (; iterator !== undefined && next?.done === false && !exchange.over; next = await iterator.next()) {
      const { value } = next;
      if (value.byteLength > 0 && !exchange.write(value)) {
        await new Promise<void>((resolve) => exchange.whenDrained(resolve));
      }
      if (exchange.gone) return;
    }
    exchange.end(fieldsFrom(response.trailer));
  } finally {
    // Lets the handler's `finally` run when the client left.
    giveUp(iterator);
  }
}

function giveUp(iterator: AsyncIterator<unknown> | undefined): void {
  try {
    iterator?.return?.().catch(() => {});
  } catch {
    // It has been given up all the same.
  }
}

/**
 * Runs one RPC: hands the request to its handler and writes what comes back, trailers included. Rejects with what failed
 * and could not be written, unless the client has gone.
 */
export async function exchangeRpc(handler: RpcHandler, exchange: HttpExchange, clock: Clock): Promise<void> {
  const request = new UniversalRequest(exchange);
  const response = await handler(request, exchange.connection);
  if (exchange.gone) giveUp(response.body?.[Symbol.asyncIterator]());
  else await write(response, request, exchange, clock);
}
