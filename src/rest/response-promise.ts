import type { Service } from "../core/service.ts";
import { chunksOf, withinDeadline } from "./body-chunks.ts";
import { type HttpError, httpErrorFrom } from "./http-error.ts";
import type { HttpResponse } from "./http-transport.ts";
import { nameOf, type RestRequest, type SentRequest, sendCall } from "./rest-request.ts";
import { RestResponse } from "./rest-response.ts";
import { isShort } from "./transport-response.ts";

/** One request and the way to send it. */
export interface ResponsePromiseInit extends SentRequest {
  readonly send: Service<RestRequest, HttpResponse>;
  readonly throwHttpErrors: boolean;
}

/** How much of an error's body is kept. */
const errorBodyBytes = 64 * 1024;

/**
 * The response that is on its way: await it for the {@link RestResponse}, or ask at once for what is in it.
 *
 * Awaiting it reads a short body ahead, so that a response whose body nobody wants holds no connection.
 *
 * @example
 * ```ts
 * const rows = await lake.get("datasets/seattle-weather").json<Row[]>();
 * const { status } = await lake.delete("datasets/old");
 * ```
 */
export class ResponsePromise implements Promise<RestResponse> {
  readonly [Symbol.toStringTag] = "ResponsePromise";
  readonly #sent: Promise<RestResponse>;
  #ready: Promise<RestResponse> | undefined;

  constructor(init: ResponsePromiseInit) {
    this.#sent = exchange(init);
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  then<A = RestResponse, B = never>(
    onFulfilled?: ((response: RestResponse) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#ready ??= this.#sent.then(readAhead);
    return this.#ready.then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<RestResponse | B> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<RestResponse> {
    return this.then().finally(onFinally);
  }

  /**
   * The whole body, parsed as JSON. The type is the caller's word; nothing is validated.
   *
   * @throws MeshError `ERR_INVALID_BODY` when the body is no JSON
   * @throws HttpError when the status is not 2xx
   */
  json<T = unknown>(): Promise<T> {
    return this.#sent.then((response) => response.json<T>());
  }

  /** The whole body as UTF-8. @throws HttpError when the status is not 2xx */
  text(): Promise<string> {
    return this.#sent.then((response) => response.text());
  }

  /** The whole body. @throws HttpError when the status is not 2xx */
  bytes(): Promise<Uint8Array> {
    return this.#sent.then((response) => response.bytes());
  }

  /** The whole body in a buffer of its own. @throws HttpError when the status is not 2xx */
  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#sent.then((response) => response.arrayBuffer());
  }

  /** The whole body with its media type. @throws HttpError when the status is not 2xx */
  blob(): Promise<Blob> {
    return this.#sent.then((response) => response.blob());
  }

  /**
   * The whole body as a form; see {@link RestResponse.formData}.
   *
   * @throws HttpError when the status is not 2xx
   */
  formData(): Promise<FormData> {
    return this.#sent.then((response) => response.formData());
  }

  /** The body in pieces; see {@link RestResponse.stream}. @throws HttpError when the status is not 2xx */
  async *stream(options?: { readonly chunkBytes?: number }): AsyncIterableIterator<Uint8Array> {
    yield* (await this.#sent).stream(options);
  }

  /** The body as lines of text. @throws HttpError when the status is not 2xx */
  async *lines(): AsyncIterableIterator<string> {
    yield* (await this.#sent).lines();
  }

  /** The body as JSON values, one a line; see {@link RestResponse.ndjson}. @throws HttpError when the status is not 2xx */
  async *ndjson<T = unknown>(): AsyncIterableIterator<T> {
    yield* (await this.#sent).ndjson<T>();
  }
}

function exchange(init: ResponsePromiseInit): Promise<RestResponse> {
  const { hooks } = init.request;
  if (hooks === undefined) return send(init);
  return send(init).catch(async (error) => {
    throw await hooks.errorFor(error);
  });
}

async function send(init: ResponsePromiseInit): Promise<RestResponse> {
  const response = await sendCall(init.send, init.call, init.request);
  const { status } = response;
  if (init.throwHttpErrors && (status < 200 || status > 299)) throw await errorOf(init, response);
  return new RestResponse(init, response);
}

async function readAhead(response: RestResponse): Promise<RestResponse> {
  if (response.complete || !response.worthReading) return response;
  return response.readAhead();
}

async function errorOf(init: ResponsePromiseInit, response: HttpResponse): Promise<HttpError> {
  const read = (): Promise<Uint8Array> => (isShort(response) ? response.bytes() : firstBytes(response));
  // The status is what matters: a body that does not arrive takes nothing away from it.
  const bytes = await withinDeadline(init, response, read).catch(() => new Uint8Array(0));
  return httpErrorFrom(
    nameOf(init),
    new RestResponse(init, response, bytes),
    new TextDecoder().decode(bytes),
  );
}

async function firstBytes(response: HttpResponse): Promise<Uint8Array> {
  const bytes = new Uint8Array(errorBodyBytes);
  let length = 0;
  for await (const chunk of chunksOf(response.body, errorBodyBytes)) {
    const fits = chunk.subarray(0, errorBodyBytes - length);
    bytes.set(fits, length);
    length += fits.byteLength;
    if (length === errorBodyBytes) break;
  }
  return bytes.subarray(0, length);
}
