import type { Call } from "../core/call.ts";
import { endWithError, outcomeOfCancelledCall } from "../core/classifier.ts";
import { MeshError } from "../core/errors.ts";
import { type Outcome, outcome } from "../core/outcome.ts";
import { isDecoded } from "../core/platform.ts";
import { markReported } from "../core/reported.ts";
import { bytesOf, longerThanDeclared, shorterThanDeclared } from "../http/exchange.ts";

/**
 * The types of what is nearly always held in memory, where nobody can tell: JSON, text that is no list of events or rows,
 * images, fonts and programs. As a stream it would lose its Content-Length.
 */
const wholeTypes =
  /^(?:(?:application\/(?:[\w.]+\+)?(?:json|xml|javascript|wasm|pdf)|text\/(?:plain|html|css|javascript|xml)) *(?:;|$)|image\/|font\/)/i;

/**
 * The body of a response that is still being made when the response is handed out; undefined for one that is whole.
 *
 * The response of a listener's app remembers what it was made of (`source`). Those of platforms do not, and merely to look
 * at their body costs some of them their fast path; so what has the type of something that is held in memory counts as whole
 * there, unless it came from another server, or says that it is sent in pieces (`Transfer-Encoding`).
 *
 * @param fetched - whether it came from another server; a copy of such a response does not say so
 */
export function bodyStreamOf(
  response: Response,
  fetched: boolean = response.url !== "",
): ReadableStream<Uint8Array> | undefined {
  // An upgrade must stay the very object that the platform made.
  if (response.status === 101) return undefined;
  const { source } = response as { readonly source?: unknown };
  if (source !== undefined) {
    return source instanceof ReadableStream ? (source as ReadableStream<Uint8Array>) : undefined;
  }
  return !fetched && seemsWhole(response.headers) ? undefined : (response.body ?? undefined);
}

function seemsWhole(headers: Headers): boolean {
  if (headers.has("transfer-encoding")) return false;
  const type = headers.get("content-type");
  if (type !== null) return wholeTypes.test(type);
  // Bun names the type of a text only when it sends it.
  textsHaveTypes ??= new Response("").headers.has("content-type");
  return !textsHaveTypes;
}

let textsHaveTypes: boolean | undefined;

const failed = outcome("failure", "body_failed");

/** Larger pieces are passed on in parts, so that a slow reader of one can be seen to take it. */
const pieceBytes = 65_536;

/** What becomes of a response whose body is a stream. */
export interface TrackedResponse {
  readonly call: Call;
  /** How the call ends when the whole body has been read. */
  readonly complete: Outcome;
  readonly headers: Headers;
  /** Told of each piece that passes. */
  readonly onPiece: () => void;
  /** Told why the body failed. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * The same body, whose end is the call's end: `complete` when it has been read, a failure when its source fails or gives what
 * cannot be sent, and cancelled when its reader lets go. A call that is cancelled, by its deadline for one, breaks it off and
 * cancels the source.
 *
 * Nothing is read before the reader asks for it. What the reader is told of a failure counts as reported already.
 *
 * @throws TypeError when the body is being read already
 */
export function trackBody(
  body: ReadableStream<Uint8Array>,
  { call, complete, headers, onPiece, onFailure }: TrackedResponse,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const declared = declaredBytes(headers);
  let sent = 0;
  /** What is left of a large piece. */
  let rest: Uint8Array | undefined;
  let over = false;
  /** Whether all that was declared is out: some platforms do not read on then, and say that the client went. */
  const complied = (): boolean => sent === declared;
  const tracked = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        call.onCancel((reason) => {
          if (over) return;
          over = true;
          // First: on some platforms a stream cannot be touched once its request is gone.
          if (complied()) call.end(complete);
          else endWithError(call, reason);
          reader.cancel(reason).catch(() => {});
          if (complied()) controller.close();
          else controller.error(markReported(reason));
        });
      },
      async pull(controller) {
        try {
          if (rest === undefined) {
            const { done, value } = await reader.read();
            if (over) return;
            if (done) {
              if (sent < (declared ?? 0)) throw shorterThanDeclared();
              over = true;
              controller.close();
              call.end(complete);
              return;
            }
            rest = bytesOf(value);
          }
          const large = rest.byteLength > pieceBytes;
          const piece = large ? rest.subarray(0, pieceBytes) : rest;
          rest = large ? rest.subarray(pieceBytes) : undefined;
          onPiece();
          sent += piece.byteLength;
          const surplus = declared === undefined ? 0 : sent - declared;
          // One that is empty, too: who reads would wait for it.
          if (surplus <= 0) controller.enqueue(piece);
          else if (surplus < piece.byteLength) controller.enqueue(piece.subarray(0, -surplus));
          if (surplus > 0) throw longerThanDeclared();
        } catch (error) {
          if (over) return;
          over = true;
          const cancelled = outcomeOfCancelledCall(call);
          if (cancelled === undefined) onFailure(error);
          call.end(cancelled ?? failed);
          reader.cancel(error).catch(() => {});
          controller.error(markReported(error));
        }
      },
      cancel(reason) {
        if (over) return;
        over = true;
        if (complied()) call.end(complete);
        const gone = new MeshError("ERR_CANCELLED", "The client went away", { cause: reason });
        call.cancel(gone);
        endWithError(call, gone);
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return declared === undefined ? tracked : ofLength(tracked, declared);
}

/** The length that the response says its body has; undefined where it says none, or that of a coding that was undone. */
function declaredBytes(headers: Headers): number | undefined {
  const text = headers.get("content-length");
  return text === null || !/^\d{1,15}$/.test(text) || headers.has("content-encoding")
    ? undefined
    : Number(text);
}

/** Takes away what no longer describes the body of a response that the platform's `fetch` decoded. */
export function dropDecoded(response: Response, headers: Headers): void {
  // What the mesh fetched was told its URL, and describes the body that it has.
  if (response.url === "" || Object.hasOwn(response, "url")) return;
  if (!isDecoded(headers.get("content-encoding"))) return;
  headers.delete("content-encoding");
  headers.delete("content-length");
}

type Pair = { readonly readable: ReadableStream<Uint8Array>; readonly writable: WritableStream<Uint8Array> };

/** Cloudflare's runtime sends a length only with a stream of its own that has one. */
function ofLength(body: ReadableStream<Uint8Array>, bytes: number): ReadableStream<Uint8Array> {
  const { FixedLengthStream } = globalThis as { FixedLengthStream?: new (bytes: number) => Pair };
  return FixedLengthStream === undefined ? body : body.pipeThrough(new FixedLengthStream(bytes));
}

/** Cancels the stream that a response was made of when a layer sends another response, of something else. */
export function discardReplaced(produced: Response | undefined, sent: Response): void {
  if (produced === undefined || produced === sent) return;
  const { source } = produced as { readonly source?: unknown };
  const kept = (sent as { readonly source?: unknown }).source;
  if (source instanceof ReadableStream && source !== kept && !source.locked) discard(produced);
}

/** Cancels the body of a response that is not going to be sent. */
export function discard(response: Response): void {
  try {
    response.body?.cancel().catch(() => {});
  } catch {
    // The value was not a response.
  }
}

/**
 * Checks that a handler returned a response that can be sent: handlers may be written in JavaScript.
 *
 * @throws TypeError when it is not one
 */
export function checkResponse(response: Response, operation: string): void {
  const status: unknown = (response as Response | null | undefined)?.status;
  if (typeof status === "number" && ((status >= 200 && status <= 599) || status === 101)) return;
  const what =
    status === undefined ? `a value of type ${typeof response}` : `a response of status ${String(status)}`;
  throw new TypeError(`Cannot respond to ${operation}: its handler returned ${what}; return a Response`);
}
