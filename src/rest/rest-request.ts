import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { HttpBody } from "./http-transport.ts";

/** One REST request before it is known which endpoint it goes to. */
export interface RestRequest {
  readonly method: string;
  /** Path and query from the slash on. */
  readonly target: string;
  /** Lower-case names. The transport adds the call's context to a copy. */
  readonly headers: Readonly<Record<string, string>>;
  /** A function makes a new stream for each attempt. */
  readonly body: HttpBody | (() => ReadableStream<Uint8Array>) | undefined;
}

/** Whether the request can be sent again: not when its body is a stream, which the first attempt reads. */
export function isReplayable(request: RestRequest): boolean {
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
