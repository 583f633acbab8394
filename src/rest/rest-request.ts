import type { Call } from "../core/call.ts";
import { endWithError } from "../core/classifier.ts";
import type { Clock } from "../core/clock.ts";
import { isTransportError } from "../core/errors.ts";
import type { Service } from "../core/service.ts";
import { markUpstream } from "../core/upstream.ts";
import { outcomeOfStatus } from "../http/status-outcome.ts";
import type { HttpBody, HttpResponse } from "./http-transport.ts";

/** One REST request before it is known which endpoint it goes to. */
export interface RestRequest {
  readonly method: string;
  /** Path and query from the slash on. */
  readonly target: string;
  /** Lower-case names. The transport adds the call's context to a copy. */
  readonly headers: Readonly<Record<string, string>>;
  /** A function makes a new stream for each attempt. */
  readonly body: HttpBody | (() => ReadableStream<Uint8Array>) | undefined;
  /** What its client does around each attempt; undefined for nearly all. Layers pass it on. */
  readonly hooks?: RequestHooks | undefined;
}

/** The hooks of one request. */
export interface RequestHooks {
  /** Makes one attempt by `next`, with what comes before and after. */
  attempt(
    next: (request: RestRequest) => HttpResponse | Promise<HttpResponse>,
    call: Call,
    request: RestRequest,
  ): Promise<HttpResponse>;
  /** The error that the caller is told. */
  errorFor(error: unknown): Promise<unknown>;
}

/** Whether the request can be sent again: not when its body is a stream, which the first attempt reads. */
export function isRestReplayable(request: RestRequest): boolean {
  const { body } = request;
  return typeof body !== "object" || body instanceof Uint8Array;
}

/** A request that was sent, for what comes after it. */
export interface SentRequest {
  readonly call: Call;
  readonly clock: Clock;
  readonly request: RestRequest;
  /** The largest body that is read whole, in bytes. @default 10 MiB */
  readonly maxResponseBytes?: number | undefined;
}

/** The request as error messages name it: `GET lake/datasets/7`, without the query, which may hold secrets. */
export function nameOf(sentRequest: SentRequest): string {
  const { target, method } = sentRequest.request;
  const query = target.indexOf("?");
  return `${method} ${sentRequest.call.service}${query === -1 ? target : target.slice(0, query)}`;
}

/** Sends the request of a call that was made here, and so sees to it that the call ends, whatever happens on the way. */
export async function sendCall(
  send: Service<RestRequest, HttpResponse>,
  call: Call,
  request: RestRequest,
): Promise<HttpResponse> {
  try {
    const response = await send(call, request);
    // A layer may respond by itself; no transport has ended the call then.
    if (call.outcome === undefined && response.settled !== false) {
      call.end(outcomeOfStatus(response.status, response.headers));
    }
    return response;
  } catch (error) {
    endWithError(call, error);
    throw isTransportError(error) ? markUpstream(error) : error;
  }
}

/** The methods of RFC 9110, PATCH and QUERY. */
const known: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "QUERY",
  "TRACE",
  "CONNECT",
]);

/**
 * What metrics call a request without an operation: its method, or `other`. A gateway may pass on a method that its
 * client made up, and clients must not choose labels.
 */
export function methodLabel(method: string): string {
  return known.has(method) ? method : "other";
}
