import { Code, ConnectError } from "@connectrpc/connect";
import type {
  UniversalClientFn,
  UniversalClientRequest,
  UniversalClientResponse,
} from "@connectrpc/connect/protocol";
import { iterableFromReadable, readableFromIterable } from "../message/byte-streams.ts";

/** What a {@link RpcFetch} is given beside the URL; `duplex` is what Node demands for streaming bodies. */
export interface FetchInit {
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly signal: AbortSignal | null;
  readonly redirect: "manual";
  readonly duplex?: "half";
}

/** The platform's `fetch`, or one that is bound to a client certificate or an agent. */
export type RpcFetch = (url: string, init: FetchInit) => Promise<Response>;

/** Makes Connect's HTTP client function from a `fetch`. */
export function createFetchClient(
  fetch: RpcFetch,
  options: { readonly wholeRequest: boolean },
): UniversalClientFn {
  return async function fetchClient(request) {
    let response: Response;
    try {
      const body = request.body === undefined ? null : await requestBody(request.body, options.wholeRequest);
      response = await fetch(request.url, requestInit(request, body));
    } catch (error) {
      throw faultFrom(error, request.signal);
    }
    return universalResponse(response, request.signal);
  };
}

function requestInit(request: UniversalClientRequest, body: FetchInit["body"]): FetchInit {
  const init: FetchInit = {
    method: request.method,
    headers: request.header,
    body,
    signal: request.signal ?? null,
    // A redirect would carry the credentials to a place that the resolver does not know.
    redirect: "manual",
  };
  return body instanceof ReadableStream ? { ...init, duplex: "half" } : init;
}

async function requestBody(
  chunks: AsyncIterable<Uint8Array>,
  whole: boolean,
): Promise<NonNullable<FetchInit["body"]>> {
  if (!whole) return readableFromIterable(chunks) as ReadableStream<Uint8Array<ArrayBuffer>>;
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  if (parts.length === 1 && parts[0] !== undefined) return parts[0] as Uint8Array<ArrayBuffer>;
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}

function universalResponse(response: Response, signal: AbortSignal | undefined): UniversalClientResponse {
  let header = response.headers;
  if (header.has("content-encoding")) {
    // fetch has decoded the body already, but still shows the encoding and the length of what was encoded.
    header = new Headers(header);
    header.delete("content-encoding");
    header.delete("content-length");
  }
  return {
    status: response.status,
    header,
    body: iterableFromReadable(response.body, (error) => faultFrom(error, signal)),
    trailer: new Headers(),
  };
}

/**
 * The RPC error for a `fetch` that failed. Connect would call it `unknown`, or `canceled` when its name
 * looks like that of an abort, and drop the cause that tells whether the request ever started.
 */
function faultFrom(error: unknown, signal: AbortSignal | undefined): unknown {
  if (error instanceof ConnectError || signal?.aborted === true) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ConnectError(message, Code.Unavailable, undefined, undefined, error);
}
