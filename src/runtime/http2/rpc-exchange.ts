import type { Writable } from "node:stream";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { RpcHandler } from "../../rpc/dispatcher.ts";
import { clientGone, type Incoming } from "./incoming.ts";
import { outgoingFrom } from "./light-headers.ts";
import { wasBrokenOff } from "./readable.ts";
import { respondWithError } from "./respond.ts";
import type { Sink } from "./sink.ts";

async function* bodyOf(incoming: Incoming): AsyncGenerator<Uint8Array> {
  const { source } = incoming;
  if (source === undefined) return;
  try {
    // A handler may stop reading: the answer still goes out on the stream that would be destroyed.
    const chunks = source.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    // Messages keep views of what they were parsed from: those must be plain bytes, no Buffers.
    for await (const { buffer, byteOffset, byteLength } of chunks) {
      yield new Uint8Array(buffer, byteOffset, byteLength);
    }
  } catch (error) {
    throw incoming.gone ? clientGone() : error;
  }
  if (wasBrokenOff(source)) throw clientGone();
}

/** What an RPC handler is given; its signal is made when somebody asks for it. */
class RpcRequest implements UniversalServerRequest {
  readonly httpVersion: string;
  readonly method: string;
  readonly url: string;
  readonly header: Headers;
  readonly body: AsyncIterable<Uint8Array>;
  readonly #incoming: Incoming;

  constructor(incoming: Incoming) {
    this.#incoming = incoming;
    this.httpVersion = incoming.httpVersion;
    this.method = incoming.method;
    this.url = incoming.url;
    this.header = incoming.headers;
    this.body = bodyOf(incoming);
  }

  get signal(): AbortSignal {
    return this.#incoming.signal;
  }
}

function drained(writable: Writable, incoming: Incoming): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      writable.off("drain", done);
      incoming.onGone(undefined);
      resolve();
    };
    writable.once("drain", done);
    incoming.onGone(done);
  });
}

async function write(response: UniversalServerResponse, incoming: Incoming, sink: Sink): Promise<void> {
  const { writable } = sink;
  // A failed write shows as `close`; without a listener the error would end the process.
  writable.on("error", () => {});
  const iterator = response.body?.[Symbol.asyncIterator]();
  try {
    // The first message is made before the headers go out: until then a handler may still set some.
    let next = await iterator?.next();
    if (incoming.gone) return;
    sink.headWithTrailers(response.status, outgoingFrom(response.header), () =>
      outgoingFrom(response.trailer),
    );
    if (next !== undefined && next.done !== true && next.value.byteLength === 0) sink.flush();
    for (; iterator !== undefined && next?.done !== true; next = await iterator.next()) {
      if (next !== undefined && !writable.write(next.value)) await drained(writable, incoming);
      if (incoming.gone) return;
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
  incoming: Incoming,
  sink: Sink,
  onError?: (error: unknown) => void,
): Promise<void> {
  let started = false;
  try {
    const response = await handler(new RpcRequest(incoming), incoming.connection);
    if (incoming.gone) {
      response.body?.[Symbol.asyncIterator]()
        .return?.()
        .catch(() => {});
      return;
    }
    started = true;
    await write(response, incoming, sink);
  } catch (error) {
    if (incoming.gone) return;
    onError?.(error);
    if (started) sink.abort();
    else respondWithError(sink);
  }
}
