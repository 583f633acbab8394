import type { Call } from "../core/call.ts";
import { outcomeOfMeshError } from "../core/classifier.ts";
import { type HeaderSource, meshHeaders } from "../core/headers.ts";
import { problem } from "../http/problem.ts";
import { outcomeOfStatus } from "../http/status-outcome.ts";
import type { ChainParts } from "./chain-parts.ts";
import type { Cors } from "./cors.ts";
import { errorResponse, isFromUpstream, problemResponse } from "./error-response.ts";

const noHeaders: HeaderSource = { get: () => null };

/**
 * The last step of the chain: turns whatever a handler returned or threw into a response, and ends the call. Nothing
 * here throws.
 */
export abstract class ChainEnd {
  abstract readonly operation: string;
  protected abstract readonly parts: ChainParts;
  protected abstract readonly request: Request;
  protected abstract readonly preflight: boolean;
  protected abstract readonly call: Call;

  /** Ends the call with a response; a value that is not a response, or cannot be sent, becomes a 500. */
  protected finish(response: Response): Response {
    let dressed: Response;
    try {
      checkResponse(response, this.operation);
      dressed = this.#dress(response);
    } catch (error) {
      return this.answer(error);
    }
    this.call.end(outcomeOfStatus(dressed.status, noHeaders));
    // Hono sends only the head, and would leave the body neither read nor cancelled.
    if (this.request.method === "HEAD") discard(dressed);
    return dressed;
  }

  /** Ends the call with the chain's response to an error. */
  protected answer(error: unknown): Response {
    try {
      const response = this.#dress(errorResponse(error, this.call.requestId));
      const upstream = isFromUpstream(error);
      // An error that cannot be put into a response is a 500, whatever it was meant to be.
      const own = upstream || response.status === 500 ? undefined : outcomeOfMeshError(error);
      this.call.end(own ?? outcomeOfStatus(response.status, noHeaders));
      if (response.status === 500 || upstream) this.#report(error);
      return response;
    } catch (worse) {
      // The error has a status or a header value that no response can have.
      this.#report(error);
      this.#report(worse);
    }
    this.call.end(outcomeOfStatus(500, noHeaders));
    return this.#dress(problemResponse(problem(500, undefined, undefined, this.call.requestId)));
  }

  #report(error: unknown): void {
    this.parts.onError?.(error, this.call);
  }

  /** Adds the chain's own headers, in place where the response allows it. */
  #dress(response: Response): Response {
    // An upgrade is not an answer yet, and must stay the very object that the platform made.
    if (response.status === 101) return response;
    let dressed = response;
    try {
      response.headers.set(meshHeaders.requestId, this.call.requestId);
    } catch {
      // What `fetch` returned is immutable.
      dressed = new Response(response.body, response);
      dressed.headers.set(meshHeaders.requestId, this.call.requestId);
    }
    const { cors } = this.parts;
    if (cors !== undefined && !this.preflight) this.#share(cors, dressed.headers);
    return dressed;
  }

  #share(cors: Cors, headers: Headers): void {
    try {
      cors.apply(this.request, headers);
    } catch (error) {
      // Without permission, pages of other origins cannot read the response; nothing else changes.
      this.#report(error);
    }
  }
}

/**
 * Checks that a handler returned a response that can be sent: handlers may be written in JavaScript.
 *
 * @throws TypeError when it is not one
 */
function checkResponse(response: Response, operation: string): void {
  const status: unknown = (response as Response | null | undefined)?.status;
  if (typeof status === "number" && ((status >= 200 && status <= 599) || status === 101)) return;
  const what =
    status === undefined ? `a value of type ${typeof response}` : `a response of status ${String(status)}`;
  throw new TypeError(`Cannot answer ${operation}: its handler returned ${what}; return a Response`);
}

/** Cancels the body of a response that is not going to be sent. */
export function discard(response: Response): void {
  try {
    response.body?.cancel().catch(() => {});
  } catch {
    // The value was not a response.
  }
}
