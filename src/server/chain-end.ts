import type { Call } from "../core/call.ts";
import { outcomeOfMeshError } from "../core/classifier.ts";
import { type HeaderSource, meshHeaders } from "../core/headers.ts";
import { outcomeOfStatus } from "../http/http-outcome.ts";
import { problem } from "../http/problem.ts";
import type { ChainParts } from "./chain-parts.ts";
import type { Cors } from "./cors.ts";
import { errorResponse, problemResponse } from "./error-response.ts";

const noHeaders: HeaderSource = { get: () => null };

/**
 * The end of a request's way through the chain. Whatever a handler returned or threw, there is a response in the end,
 * and the call is over: nothing here throws.
 */
export abstract class ChainEnd {
  abstract readonly operation: string;
  protected abstract readonly parts: ChainParts;
  protected abstract readonly request: Request;
  protected abstract readonly preflight: boolean;
  protected abstract readonly call: Call;

  /** Ends the call with a response; one that is none, or cannot be sent, is an error of whoever made it. */
  protected finish(response: Response): Response {
    let dressed: Response;
    try {
      checkResponse(response, this.operation);
      dressed = this.#dress(response);
    } catch (error) {
      return this.answer(error);
    }
    this.call.end(outcomeOfStatus(dressed.status, noHeaders));
    // Hono sends the head alone, and nobody would ever read or cancel what is behind it.
    if (this.request.method === "HEAD") discard(dressed);
    return dressed;
  }

  /** Ends the call with the chain's response to an error. */
  protected answer(error: unknown): Response {
    try {
      const response = this.#dress(errorResponse(error, this.call.requestId));
      this.call.end(outcomeOfMeshError(error) ?? outcomeOfStatus(response.status, noHeaders));
      if (response.status === 500) this.#report(error);
      return response;
    } catch (worse) {
      // The error cannot be put into a response: it names a status that is none, or a header that is none.
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
      // Without the permission no other page can read it; the caller's own answer stays what it is.
      this.#report(error);
    }
  }
}

/**
 * Refuses what is no response: handlers may be written in JavaScript.
 *
 * @throws TypeError
 */
function checkResponse(response: Response, operation: string): void {
  const status: unknown = (response as Response | null | undefined)?.status;
  if (typeof status === "number" && ((status >= 200 && status <= 599) || status === 101)) return;
  const what =
    status === undefined ? `a value of type ${typeof response}` : `a response of status ${String(status)}`;
  throw new TypeError(`Cannot answer ${operation}: its handler returned ${what}; return a Response`);
}

/** Gives up a response that came too late. */
export function discard(response: Response): void {
  try {
    response.body?.cancel().catch(() => {});
  } catch {
    // It was no response.
  }
}
