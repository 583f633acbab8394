import type { Call } from "../core/call.ts";
import { endWithError, outcomeOfCancelledCall } from "../core/classifier.ts";
import { MeshError } from "../core/errors.ts";
import { type Outcome, outcome } from "../core/outcome.ts";
import { markReported } from "../core/reported.ts";

/** The types of what platforms and Hono make whole responses of. */
const wholeTypes = /^(?:application\/json|text\/(?:plain|html)) *(?:;|$)/i;

/**
 * The body of a response that is still being made when the response is handed out; undefined for one that is whole.
 *
 * The response of a listener's app remembers what it was made of (`source`). Those of platforms do not, and merely to look
 * at their body costs some of them their fast path; so plain text, HTML and JSON count as whole there, unless they came
 * from another server.
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

/**
 * The same body, whose end is the call's end: `complete` when it has been read, a failure when its source fails, and
 * cancelled when its reader lets go. A call that is cancelled, by its deadline for one, breaks it off and cancels the source.
 *
 * Nothing is read before the reader asks for it. What the reader is told of a failure counts as reported already.
 *
 * @param onFailure - told why the source failed
 * @throws TypeError when the body is being read already
 */
export function trackBody(
  body: ReadableStream<Uint8Array>,
  call: Call,
  complete: Outcome,
  onFailure: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let over = false;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        call.onCancel((reason) => {
          if (over) return;
          over = true;
          controller.error(markReported(reason));
          reader.cancel(reason).catch(() => {});
          endWithError(call, reason);
        });
      },
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (over) return;
          if (!done) {
            controller.enqueue(value);
            return;
          }
          over = true;
          controller.close();
          call.end(complete);
        } catch (error) {
          if (over) return;
          over = true;
          const cancelled = outcomeOfCancelledCall(call);
          if (cancelled === undefined) onFailure(error);
          call.end(cancelled ?? failed);
          controller.error(markReported(error));
        }
      },
      cancel(reason) {
        if (over) return;
        over = true;
        const gone = new MeshError("ERR_CANCELLED", "The client went away", { cause: reason });
        call.cancel(gone);
        endWithError(call, gone);
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Cancels the body of a response that is not going to be sent. */
export function discard(response: Response): void {
  try {
    response.body?.cancel().catch(() => {});
  } catch {
    // The value was not a response.
  }
}
