import { MeshError } from "../core/errors.ts";
import { markUpstream } from "../core/upstream.ts";
import { chunksOf, linesOf, withinDeadline } from "./body-chunks.ts";
import type { HttpResponse } from "./http-transport.ts";
import { defaultMaxResponseBytes, limitedBody } from "./response-limit.ts";
import { nameOf, type SentRequest } from "./rest-request.ts";
import { isShort } from "./transport-response.ts";

/** A service's response. Its body is read once, whole or as a stream; one that was read ahead can be read again. */
export class RestResponse {
  readonly status: number;
  readonly headers: HttpResponse["headers"];
  readonly #sentRequest: SentRequest;
  readonly #source: HttpResponse;
  #ahead: Uint8Array | undefined;
  #body: ReadableStream<Uint8Array> | null | undefined;

  /**
   * @param asked - the request, for error messages
   * @param ahead - the body, when it has been read already
   */
  constructor(sentRequest: SentRequest, source: HttpResponse, ahead?: Uint8Array) {
    this.#sentRequest = sentRequest;
    this.status = source.status;
    this.headers = source.headers;
    this.#source = source;
    this.#ahead = ahead;
  }

  /** Whether the status is 2xx. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** Where the response came from: the URL at the endpoint that was picked; empty where nobody tells. */
  get url(): string {
    return this.#source.url ?? "";
  }

  /** The raw stream, chunked as the network has it; null when there is no body. */
  get body(): ReadableStream<Uint8Array> | null {
    if (this.#ahead === undefined) {
      this.#body ??= limitedBody(
        this.#source.body,
        this.#sentRequest.call,
        this.#sentRequest.maxResponseBytes ?? Infinity,
        (reason) => this.cancel(reason),
      );
      return this.#body;
    }
    return this.#ahead.byteLength === 0 ? null : streamOf(this.#ahead);
  }

  /** The largest body that is read whole, in bytes. */
  get #maxBytes(): number {
    return this.#sentRequest.maxResponseBytes ?? defaultMaxResponseBytes;
  }

  /** The whole body as UTF-8. @throws MeshError `ERR_BODY_TOO_LARGE` when it is larger than `maxResponseBytes` */
  text(): Promise<string> {
    if (this.#ahead !== undefined) return Promise.resolve(new TextDecoder().decode(this.#ahead));
    return withinDeadline(this.#sentRequest, this.#source, () => this.#source.text(this.#maxBytes));
  }

  /** The whole body. @throws MeshError `ERR_BODY_TOO_LARGE` when it is larger than `maxResponseBytes` */
  bytes(): Promise<Uint8Array> {
    if (this.#ahead !== undefined) return Promise.resolve(this.#ahead);
    return withinDeadline(this.#sentRequest, this.#source, () => this.#source.bytes(this.#maxBytes));
  }

  /** The whole body in a buffer of its own; see {@link bytes}. */
  async arrayBuffer(): Promise<ArrayBuffer> {
    return ownBuffer(await this.bytes()).buffer;
  }

  /** The whole body with its media type; see {@link bytes}. */
  async blob(): Promise<Blob> {
    return new Blob([ownBuffer(await this.bytes())], { type: this.headers.get("content-type") ?? "" });
  }

  /**
   * The whole body as a form: `multipart/form-data` or `application/x-www-form-urlencoded`.
   *
   * @throws MeshError `ERR_INVALID_BODY` when the body is none
   */
  async formData(): Promise<FormData> {
    const bytes = ownBuffer(await this.bytes());
    const type = this.headers.get("content-type");
    try {
      return await new Response(bytes, { headers: type == null ? {} : { "content-type": type } }).formData();
    } catch (cause) {
      const what = type == null ? "a body without a media type" : `a body of ${JSON.stringify(type)}`;
      const text = `${nameOf(this.#sentRequest)} returned ${this.status} with ${what}: no form (${(cause as Error).message})`;
      throw markUpstream(new MeshError("ERR_INVALID_BODY", text, { cause }));
    }
  }

  /**
   * The whole body, parsed as JSON. The type is the caller's word; nothing is validated.
   *
   * @throws MeshError `ERR_INVALID_BODY` when the body is no JSON
   */
  async json<T = unknown>(): Promise<T> {
    const text = await this.text();
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw invalidJson(`${nameOf(this.#sentRequest)} returned ${this.status} with`, text, cause);
    }
  }

  /**
   * The body in pieces, no faster than they are taken; leaving the loop ends the transfer.
   *
   * @param options.chunkBytes - the largest piece, in bytes. @default 8192
   */
  stream(options: { readonly chunkBytes?: number } = {}): AsyncIterableIterator<Uint8Array> {
    return chunksOf(this.body, options.chunkBytes ?? 8192);
  }

  /** The body as lines of text, without their ends. */
  lines(): AsyncIterableIterator<string> {
    return linesOf(this.body);
  }

  /**
   * The body as JSON values, one a line (`application/x-ndjson`); empty lines are skipped.
   *
   * @throws MeshError `ERR_INVALID_BODY` at the first line that is no JSON
   */
  async *ndjson<T = unknown>(): AsyncIterableIterator<T> {
    let number = 0;
    for await (const line of this.lines()) {
      number++;
      if (line === "") continue;
      let value: T;
      try {
        value = JSON.parse(line) as T;
      } catch (cause) {
        throw invalidJson(
          `${nameOf(this.#sentRequest)} returned ${this.status}, line ${number} of its body is`,
          line,
          cause,
        );
      }
      yield value;
    }
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this.stream();
  }

  /** Whether the whole body is small enough to be read before anybody asks for it. */
  get worthReading(): boolean {
    return isShort(this.#source) && Number(this.headers.get("content-length")) <= this.#maxBytes;
  }

  /** Whether the body has arrived, or there is none: reading it touches no socket. */
  get complete(): boolean {
    return this.#ahead !== undefined || this.#source.settled === true;
  }

  /** Ends the transfer of a body that is not wanted, also while it is being read; the reader gets the reason. */
  cancel(reason?: unknown): void {
    if (this.#ahead !== undefined) return;
    if (this.#source.cancel !== undefined) this.#source.cancel(reason);
    else this.#source.body?.cancel(reason).catch(() => {});
  }

  /** Reads the body ahead, so that it does not matter whether anybody else does. */
  async readAhead(): Promise<this> {
    this.#ahead = await this.bytes();
    return this;
  }
}

function invalidJson(start: string, text: string, cause: unknown): MeshError {
  const shown =
    text.trim() === "" ? "an empty body" : JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
  return markUpstream(
    new MeshError("ERR_INVALID_BODY", `${start} ${shown}: no JSON (${(cause as Error).message})`, { cause }),
  );
}

/** The bytes in a buffer that holds nothing else and is no shared one: they may be a part of a chunk that the socket gave. */
function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  const own = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  // Whether it is shared, the type of a view does not follow.
  return own ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}
