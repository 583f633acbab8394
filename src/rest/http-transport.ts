import type { Call } from "../core/call.ts";
import type { HeaderSource } from "../core/headers.ts";

/** What can be sent as a body. A stream is read with back-pressure and cannot be replayed. */
export type HttpBody = string | Uint8Array | ReadableStream<Uint8Array>;

/** One HTTP request as the transport sends it: complete, for one endpoint. */
export interface HttpRequest {
  readonly method: string;
  /** Absolute URL: endpoint, path and query. */
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Record<string, string>;
  readonly body: HttpBody | undefined;
}

/**
 * The part of a `Response` that the mesh needs. A real `Response` fits; a runtime may hand out
 * something lighter.
 */
export interface HttpResponse {
  readonly status: number;
  readonly headers: HeaderSource & Iterable<readonly [string, string]>;
  /** Reading it pulls from the socket; cancelling it ends the exchange. Null when there is none. */
  readonly body: ReadableStream<Uint8Array> | null;
  /**
   * Reads the whole body as UTF-8. One of more than `maxBytes` is cancelled, and the read fails with
   * `ERR_BODY_TOO_LARGE`; a plain `Response` knows no such bound.
   */
  text(maxBytes?: number): Promise<string>;
  json(): Promise<unknown>;
  /** Reads the whole body, bounded in the same way. */
  bytes(maxBytes?: number): Promise<Uint8Array>;
  /** Ends the exchange, also while the body is being read; its reader gets the reason. A plain `Response` has none. */
  cancel?(reason?: unknown): void;
  /** Where the response came from; empty or undefined where nobody tells. */
  readonly url?: string;
  /** False while the body still comes in and the call is not over; undefined where nobody tells. */
  readonly settled?: boolean;
}

/**
 * Sends a request over the wire: pooled, over TLS, and nothing more. No retry, no redirect, no deadline
 * of its own; it stops when the call is cancelled, with the call's reason, and raises `TransportError`
 * for every fault of the connection.
 *
 * What it hands out is a `TransportResponse`: the end of the body ends the call.
 */
export interface HttpTransport {
  send(call: Call, request: HttpRequest): Promise<HttpResponse>;
  /** Closes idle connections and lets used ones finish. */
  close(): Promise<void>;
}
