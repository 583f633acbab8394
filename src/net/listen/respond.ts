import { outgoingFrom } from "../fetch/light-headers.ts";
import { LightResponse } from "../fetch/light-response.ts";
import { type Exchange, longerThanDeclared } from "./exchange.ts";

const internalError = JSON.stringify({ type: "about:blank", title: "Internal Server Error", status: 500 });

/** Responds for a handler that failed, or whose response cannot be written, and tells nothing of why. */
export function respondWithError(exchange: Exchange): void {
  // Over it can also be because the response was cut at its declared length.
  if (exchange.over) return;
  if (exchange.headersSent) {
    exchange.abort();
    return;
  }
  const headers = { "content-type": "application/problem+json", "content-length": internalError.length };
  exchange.respond(500, "", headers, exchange.method === "HEAD" ? undefined : internalError);
}

/**
 * Writes a response out. A body that was given as text or bytes goes with the headers in one piece; a
 * stream is read as fast as the client takes it, and cancelled when the client goes away.
 *
 * @returns undefined when all is handed over; else a promise of that, which rejects when it cannot be written
 * @throws unknown what keeps the response from being written; nothing has been sent then
 */
export function respond(response: Response, exchange: Exchange): Promise<void> | undefined {
  const light = response instanceof LightResponse ? response : undefined;
  const source = light?.source;
  const { status, statusText } = response;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new TypeError(`Cannot send the response: ${status} is no final status`);
  }
  const headers = light === undefined ? outgoingFrom(response.headers) : light.outgoing();
  const bare = exchange.method === "HEAD" || status === 204 || status === 304;
  if (typeof source === "string" || source instanceof Uint8Array) {
    const length = typeof source === "string" ? Buffer.byteLength(source) : source.byteLength;
    // A HEAD handler may know the length of what it does not send.
    if (!bare || headers["content-length"] === undefined) headers["content-length"] = length;
    exchange.respond(status, statusText, headers, bare || length === 0 ? undefined : source);
    return undefined;
  }
  if (light === undefined ? response.url !== "" : light.fetched) dropDecoded(headers);
  const body = source === undefined ? response.body : source;
  if (body === null || bare) {
    if (!bare) headers["content-length"] = 0;
    exchange.respond(status, statusText, headers, undefined);
    body?.cancel().catch(() => {});
    return undefined;
  }
  // One that is in use already throws here, before anything has been sent.
  const reader = body.getReader();
  return pump(reader, exchange, () => exchange.begin(status, statusText, headers));
}

/** Codings that this runtime's `fetch` takes off a body, without a change to the fields that describe it. */
const decoded: ReadonlySet<string> = new Set(
  "Deno" in globalThis ? ["gzip", "br"] : ["gzip", "deflate", "br", "zstd"],
);

/** What `fetch` returned has its fields still, but a body that was decoded no longer has their length and coding. */
function dropDecoded(headers: Record<string, unknown>): void {
  const coding = headers["content-encoding"];
  if (
    typeof coding !== "string" ||
    !coding.split(",").every((each) => decoded.has(each.trim().toLowerCase()))
  )
    return;
  delete headers["content-encoding"];
  delete headers["content-length"];
}

/**
 * Writes a stream out. Its head waits for the first piece, or for the end of this turn: a source that fails before can
 * still become an error, and a first piece that is there already goes with the head.
 */
async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  exchange: Exchange,
  begin: () => void,
): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  const begun = (): void => {
    if (!exchange.headersSent) begin();
  };
  exchange.onGone(() => {
    reader.cancel(exchange.signal.reason).catch(() => {});
  });
  try {
    const first = reader.read();
    // An event stream must not wait for its first piece.
    const timer = setImmediate(() => {
      try {
        begun();
        exchange.flush();
      } catch (error) {
        failure = { error };
        reader.cancel(error).catch(() => {});
      }
    });
    let next: ReadableStreamReadResult<Uint8Array>;
    try {
      next = await first;
    } finally {
      clearImmediate(timer);
    }
    if (failure !== undefined) throw failure.error;
    let piece = pieceOf(next);
    begun();
    while (piece !== undefined) {
      if (exchange.gone) return;
      if (!exchange.write(piece)) await new Promise<void>((resolve) => exchange.whenDrained(resolve));
      piece = pieceOf(await reader.read());
      if (exchange.gone) return;
      if (exchange.over && piece !== undefined) throw longerThanDeclared();
    }
    exchange.end();
  } catch (error) {
    reader.cancel(error).catch(() => {});
    throw error;
  }
}

function pieceOf({ done, value }: ReadableStreamReadResult<unknown>): Uint8Array | undefined {
  if (done) return undefined;
  if (value instanceof Uint8Array) return value;
  throw new TypeError("Cannot send the response: its stream gives something else than Uint8Array");
}
