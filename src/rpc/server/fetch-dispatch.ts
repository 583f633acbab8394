import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { endWithError } from "../../core/classifier.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { Connection } from "../../core/connection.ts";
import type { HeaderSource } from "../../core/headers.ts";
import { checkNumber } from "../../core/options.ts";
import { onCloudflare } from "../../core/platform.ts";
import type { ServedRequest } from "../../serve/inbound-request.ts";
import { statusFromHttp } from "../dialect/response-status.ts";
import { connectVersionHeader, dialectOf, isConnectUnary, isRpcOnly } from "../dialect/rpc-dialect.ts";
import { outcomeOfCode } from "../dialect/rpc-outcome.ts";
import { iterableFromReadable, readableFromIterable } from "../message/byte-streams.ts";
import { type RpcDispatcher, type RpcHandler, unknownOperation } from "./dispatcher.ts";
import { type LingeringBody, lingeringBody } from "./lingering-body.ts";

/** Serves an RPC from a fetch request; undefined when the request is none, so that REST may have it. */
export type FetchDispatch = (request: Request, connection: Connection) => Promise<Response> | undefined;

/** Options of {@link createFetchDispatch}. */
export interface FetchDispatchOptions {
  /**
   * How long to read, in milliseconds, what a call left unread of its request before the response begins, or ends, so
   * that the client of an HTTP/1.1 connection sees the response to a message that was refused. 0 where the platform's
   * server does that itself.
   *
   * @default 500 on Cloudflare's runtime, 0 elsewhere
   */
  readonly lingerMs?: number;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** The formats that can be served without trailers, as `Accept-Post` lists them. */
const servedTypes = [
  "application/proto",
  "application/json",
  "application/connect+proto",
  "application/connect+json",
  "application/grpc-web+proto",
  "application/grpc-web+json",
].join(", ");

/**
 * Serves Connect and gRPC-Web through a fetch handler: on edge platforms, and in any server that is
 * given a fetch handler. A fetch response has no trailers, so native gRPC gets a 415.
 *
 * @example
 * ```ts
 * const rpc = createFetchDispatch(dispatcher);
 * export default { fetch: (request) => rpc(request, connection) ?? app.fetch(request) };
 * ```
 */
export function createFetchDispatch(
  dispatcher: RpcDispatcher,
  options: FetchDispatchOptions = {},
): FetchDispatch {
  const { clock = systemClock } = options;
  const lingerMs = checkNumber(
    "createFetchDispatch()",
    "lingerMs",
    options.lingerMs ?? (onCloudflare() ? 500 : 0),
  );

  async function serve(handler: RpcHandler, request: Request, connection: Connection): Promise<Response> {
    const { body } = request;
    const lingering = body === null || lingerMs === 0 ? undefined : lingeringBody(body, clock, lingerMs);
    const response = await handler(
      {
        httpVersion: connection.httpVersion,
        method: request.method,
        url: request.url,
        header: request.headers,
        body: lingering?.chunks ?? iterableFromReadable(body),
        signal: request.signal,
      },
      connection,
    );
    const init: WorkerResponseInit = { status: response.status, encodeBody: "manual" };
    if (response.header !== undefined) init.headers = response.header;
    try {
      return new Response(await responseBody(response, lingering), init);
    } catch (error) {
      // Nobody will read it: this ends the call.
      await response.body?.[Symbol.asyncIterator]().return?.();
      throw error;
    }
  }

  return function fetchRpc(request, connection) {
    const contentType = request.headers.get("content-type");
    const path = pathOf(request.url);
    const handler = dispatcher.find(path);
    if (contentType?.startsWith("application/grpc") && dialectOf(contentType).protocol === "grpc") {
      const refusal = refuseGrpc(dispatcher, path, { ...noTrailers, headers: request.headers, connection });
      return Promise.resolve(refusal);
    }
    if (handler === undefined) {
      const lost =
        isRpcOnly(contentType) ||
        (contentType !== null && isConnectUnary(contentType) && request.headers.has(connectVersionHeader));
      return lost ? serve(dispatcher.unknown, request, connection) : undefined;
    }
    return serve(handler, request, connection);
  };
}

interface WorkerResponseInit extends ResponseInit {
  /** Keeps Cloudflare's runtime from compressing once more what has a `content-encoding`; others ignore it. */
  encodeBody: "manual";
}

/** A unary response is whole already; only streams need one. */
async function responseBody(
  { header, body }: UniversalServerResponse,
  request: LingeringBody | undefined,
): Promise<BodyInit | null> {
  if (body !== undefined && !header?.has("content-length")) {
    const chunks = request === undefined ? body : await begun(body, request);
    const stream = readableFromIterable(chunks, request?.linger);
    return stream as ReadableStream<Uint8Array<ArrayBuffer>>;
  }
  const whole = body === undefined ? null : await wholeBody(body);
  await request?.linger();
  return whole;
}

/** The chunks, once the first is there and, when it tells of a failure, the request is through. */
async function begun(
  chunks: AsyncIterable<Uint8Array>,
  request: LingeringBody,
): Promise<AsyncIterable<Uint8Array>> {
  const iterator = chunks[Symbol.asyncIterator]();
  let first: IteratorResult<Uint8Array> | undefined = await iterator.next();
  if (request.left) await request.linger();
  const rest: AsyncIterator<Uint8Array> = {
    ...(iterator.return && { return: () => iterator.return!() }),
    ...(iterator.throw && { throw: (reason: unknown) => iterator.throw!(reason) }),
    next() {
      if (first === undefined) return iterator.next();
      const next = Promise.resolve(first);
      first = undefined;
      return next;
    },
  };
  return { [Symbol.asyncIterator]: () => rest };
}

async function wholeBody(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  let whole: Uint8Array = new Uint8Array();
  for await (const chunk of chunks) {
    if (whole.byteLength === 0) {
      whole = chunk;
      continue;
    }
    const joined = new Uint8Array(whole.byteLength + chunk.byteLength);
    joined.set(whole);
    joined.set(chunk, whole.byteLength);
    whole = joined;
  }
  return whole as Uint8Array<ArrayBuffer>;
}

/** Why native gRPC cannot be served, and whose it is. */
export interface GrpcRefusal {
  readonly status: number;
  /** Ends a sentence. */
  readonly reason: string;
  readonly headers: HeaderSource;
  readonly connection: Connection;
}

const noTrailers = {
  status: 415,
  reason: "a fetch handler has no trailers; use Connect or gRPC-Web, or the gRPC port",
} as const;

/** Responds to native gRPC where its status has no way back, and counts the call. */
export function refuseGrpc(
  { lifecycle, methods }: Pick<RpcDispatcher, "lifecycle" | "methods">,
  path: string,
  { status, reason, headers, connection }: GrpcRefusal,
): Response | Promise<Response> {
  const handle = (): Response => {
    const response = new Response(`Cannot serve ${path} by native gRPC here: ${reason}\n`, {
      status,
      headers: { "content-type": "text/plain; charset=utf-8", "accept-post": servedTypes },
    });
    lifecycle.pipeline.cors?.apply(headers, response.headers, "rpc", (error) =>
      lifecycle.report(call, error),
    );
    return response;
  };
  const refused: ServedRequest<Response> = {
    protocol: "grpc",
    operation: methods.get(path)?.operation ?? unknownOperation,
    headers,
    connection,
    exempt: true,
    handle,
    respond(call, next) {
      const end = (response: Response): Response => {
        call.end(outcomeOfCode(statusFromHttp(status, undefined)));
        return response;
      };
      try {
        const response = next(call, refused);
        // There is no other way to say what a layer of the application throws.
        if (!(response instanceof Promise)) return end(response);
        return new Promise((resolve) => {
          call.onCancel(() => resolve(end(handle())));
          response.then(end, () => end(handle())).then(resolve);
        });
      } catch {
        return end(handle());
      }
    },
  };
  const call = lifecycle.pipeline.open(refused);
  try {
    const response = lifecycle.pipeline.serve(call, refused);
    return response instanceof Promise ? response.catch(late) : response;
  } catch (error) {
    return late(error);
  }

  function late(error: unknown): Response {
    endWithError(call, error);
    return handle();
  }
}

/** The path of an absolute URL, without parsing the rest of it. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const end = url.slice(start).search(/[?#]/);
  return end < 0 ? url.slice(start) : url.slice(start, start + end);
}
