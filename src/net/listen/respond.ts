import { isDecoded } from "../../core/platform.ts";
import { bytesOf, type HttpExchange, isBodyless, longerThanDeclared } from "../../http/exchange.ts";
import { fieldOf, removeField, setField } from "../../http/fields.ts";
import { fieldsFrom } from "../fetch/light-headers.ts";
import { LightResponse } from "../fetch/light-response.ts";

const internalError = JSON.stringify({ type: "about:blank", title: "Internal Server Error", status: 500 });

/** Responds for a handler that failed, or whose response cannot be written, and tells nothing of why. */
export function respondWithError(exchange: HttpExchange): void {
  // Over it can also be because the response was cut at its declared length.
  if (exchange.over) return;
  if (exchange.headersSent) {
    exchange.abort();
    return;
  }
  const length = String(internalError.length);
  const fields = ["content-type", "application/problem+json", "content-length", length];
  exchange.respond(500, fields, internalError);
}

/**
 * Writes a response out. A body that was given as text or bytes goes with the headers in one piece; a
 * stream is read as fast as the client takes it, and cancelled when the client goes away.
 *
 * @returns undefined when all is handed over; else a promise of that, which rejects when it cannot be written
 * @throws unknown what keeps the response from being written; nothing has been sent then
 */
export function respond(response: Response, exchange: HttpExchange): Promise<void> | undefined {
  const light = response instanceof LightResponse ? response : undefined;
  const source = light?.source;
  const { status, statusText } = response;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new TypeError(`Cannot send the response: ${status} is no final status`);
  }
  const fields = light === undefined ? fieldsFrom(response.headers) : light.toFields();
  const bare = isBodyless(exchange.method, status);
  if (typeof source === "string" || source instanceof Uint8Array) {
    const length = typeof source === "string" ? Buffer.byteLength(source) : source.byteLength;
    // A HEAD handler may know the length of what it does not send.
    if (!bare || fieldOf(fields, "content-length") === undefined) {
      setField(fields, "content-length", String(length));
    }
    exchange.respond(status, fields, length === 0 ? undefined : source, statusText);
    return undefined;
  }
  if (light === undefined ? response.url !== "" : light.fetched) dropDecoded(fields);
  const body = source === undefined ? response.body : source;
  if (body === null || bare) {
    if (!bare) setField(fields, "content-length", "0");
    exchange.respond(status, fields, undefined, statusText);
    body?.cancel().catch(() => {});
    return undefined;
  }
  // One that is in use already throws here, before anything has been sent.
  const reader = body.getReader();
  return pump(reader, exchange, () => exchange.begin(status, fields, statusText));
}

/** What `fetch` returned has its fields still, but a body that was decoded no longer has their length and coding. */
function dropDecoded(fields: string[]): void {
  if (!isDecoded(fieldOf(fields, "content-encoding"))) return;
  removeField(fields, "content-encoding");
  removeField(fields, "content-length");
}

/**
 * Writes a stream out. Its head waits for the first piece, or for the end of this turn: a source that fails before can
 * still become an error, and a first piece that is there already goes with the head.
 */
async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  exchange: HttpExchange,
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
  return done ? undefined : bytesOf(value);
}
