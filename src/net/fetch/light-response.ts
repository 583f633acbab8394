import { notFieldText } from "../../core/headers.ts";
import type { Fields } from "../../http/fields.ts";
import { fieldsFrom, LightHeaders, lightHeadersFrom } from "./light-headers.ts";
import { LightRequest } from "./light-request.ts";

const NativeResponse = globalThis.Response;
const NativeHeaders = globalThis.Headers;

/** What a response can hold without being turned into a stream. */
export type LightBody = string | Uint8Array | ReadableStream<Uint8Array> | null;

/** The headers of a text, and of JSON, that come with no others; light headers copy them before a change. */
const textType = "text/plain;charset=UTF-8";
const textFields: Fields = ["content-type", textType];
const jsonFields: Fields = ["content-type", "application/json"];

const nullBodyStatuses: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * A `Response` that remembers what it was made of. A server that only wants to write it out reads that;
 * a closer look (`text()`, `clone()`, …) gets the real one, made then.
 */
export class LightResponse {
  readonly status: number;
  readonly statusText: string;
  /** Whether it stands for what `fetch` returned: a middleware that adds a header makes a copy of that. */
  readonly fetched: boolean;
  readonly #source: LightBody;
  /** Headers that somebody else made: copied only when they are asked for, not when they are written out. */
  readonly #given: Headers | undefined;
  #headers: LightHeaders | undefined;
  #real: Response | undefined;

  constructor(source: LightBody, init: ResponseInit | undefined) {
    this.#source = source;
    this.status = init?.status ?? 200;
    this.statusText = init?.statusText ?? "";
    this.fetched =
      init instanceof LightResponse ? init.fetched : init instanceof NativeResponse && init.url !== "";
    const headers = init?.headers;
    if (headers === undefined) {
      this.#headers = new LightHeaders(typeof source === "string" ? textFields : undefined);
      return;
    }
    if (headers instanceof LightHeaders) this.#headers = headers.copy();
    else if (headers instanceof NativeHeaders) this.#given = headers;
    else this.#headers = lightHeadersFrom(headers);
    if (typeof source === "string") this.#addContentType();
  }

  get headers(): Headers {
    this.#headers ??= lightHeadersFrom(this.#given);
    // Light headers, responses and requests have the interface of the real ones, which their types do not know.
    return this.#headers as unknown as Headers;
  }

  /** A copy of the headers as a list of fields. */
  toFields(): string[] {
    return this.#headers === undefined ? fieldsFrom(this.#given) : this.#headers.toFields();
  }

  /**
   * The body as it was given. The real response, once it was made, owns it: then a stream is the one that is left to read
   * (a clone splits it), and anything else undefined.
   */
  get source(): LightBody | undefined {
    if (this.#real === undefined) return this.#source;
    return this.#source instanceof ReadableStream ? this.#real.body : undefined;
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.#source === null) return null;
    if (this.#real !== undefined) return this.#real.body;
    return this.#source instanceof ReadableStream ? this.#source : this.real().body;
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get bodyUsed(): boolean {
    return this.#source === null
      ? false
      : this.#source instanceof ReadableStream
        ? this.real().bodyUsed
        : (this.#real?.bodyUsed ?? false);
  }

  get redirected(): boolean {
    return false;
  }

  get type(): ResponseType {
    return "default";
  }

  get url(): string {
    return "";
  }

  text(): Promise<string> {
    return this.real().text();
  }

  json(): Promise<unknown> {
    return this.real().json();
  }

  bytes(): Promise<Uint8Array> {
    return this.real().bytes();
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.real().arrayBuffer();
  }

  blob(): Promise<Blob> {
    return this.real().blob();
  }

  formData(): Promise<FormData> {
    return this.real().formData();
  }

  clone(): Response {
    return this.real().clone();
  }

  /** The real `Response`. */
  real(): Response {
    this.#real ??= new NativeResponse(this.#source as BodyInit | null, {
      status: this.status,
      statusText: this.statusText,
      headers: [...this.headers],
    });
    return this.#real;
  }

  #addContentType(): void {
    if (this.#headers === undefined && this.#given?.has("content-type") === true) return;
    const { headers } = this;
    if (!headers.has("content-type")) headers.set("content-type", textType);
  }
}

Object.setPrototypeOf(LightResponse.prototype, NativeResponse.prototype);

function lightBodyOf(body: unknown): LightBody | undefined {
  if (body === null || body === undefined) return null;
  if (typeof body === "string" || body instanceof ReadableStream) return body;
  // Copied, as the real Response does: the caller may go on using its buffer.
  if (body instanceof Uint8Array) return body.slice();
  return body instanceof ArrayBuffer ? new Uint8Array(body.slice(0)) : undefined;
}

/** An init that the real `Response` takes: Deno's looks for the inside of real headers. */
export function nativeInit(init: ResponseInit | undefined): ResponseInit | undefined {
  return init?.headers instanceof LightHeaders
    ? { status: init.status ?? 200, statusText: init.statusText ?? "", headers: [...init.headers] }
    : init;
}

/** Makes a {@link LightResponse} where one can stand in, and the real thing (or its error) where not. */
export function createResponse(body?: BodyInit | null, init?: ResponseInit): Response {
  const light = lightBodyOf(body);
  const status = init?.status ?? 200;
  const fits =
    light !== undefined &&
    Number.isInteger(status) &&
    status >= 200 &&
    status <= 599 &&
    (light === null || !nullBodyStatuses.has(status)) &&
    (init?.statusText === undefined || !notFieldText.test(init.statusText)) &&
    !(light instanceof ReadableStream && light.locked);
  return fits
    ? (new LightResponse(light, init) as unknown as Response)
    : new NativeResponse(body, nativeInit(init));
}

/** `Response.json`, made light. */
export function createJsonResponse(data: unknown, init?: ResponseInit): Response {
  const text = JSON.stringify(data);
  if (text === undefined) {
    throw new TypeError("Cannot make a JSON response: the value cannot be written as JSON");
  }
  if (init === undefined) {
    const headers = new LightHeaders(jsonFields) as unknown as Headers;
    return new LightResponse(text, { headers }) as unknown as Response;
  }
  const headers = lightHeadersFrom(init.headers);
  if (!headers.has("content-type")) headers.set("content-type", "application/json");
  return createResponse(text, { ...init, headers: headers as unknown as Headers });
}

let installed = false;

/**
 * Lets `new Response(...)` make light responses from now on, and `new Request(request, ...)` accept light
 * requests. On Node the real `Response` costs about a third of a small request, and its body can be got
 * back only as a stream.
 *
 * Called when the first port opens, never by an import. Both stay themselves in every way that a program
 * can tell (`instanceof`, statics, subclasses, prototype). Only a function written in native code that
 * takes a `Response` (such as `WebAssembly.compileStreaming`) or a `Request` (global `fetch`) wants what
 * `clone()` gives.
 */
export function installLightGlobals(): void {
  if (installed) return;
  installed = true;
  const NativeResponse = globalThis.Response;
  const LightResponseConstructor: typeof Response = new Proxy(NativeResponse, {
    construct(target, args, newTarget) {
      return newTarget === LightResponseConstructor
        ? createResponse(args[0], args[1])
        : Reflect.construct(target, [args[0], nativeInit(args[1])], newTarget);
    },
    get: (target, property, receiver) =>
      property === "json" ? createJsonResponse : Reflect.get(target, property, receiver),
  });
  globalThis.Response = LightResponseConstructor;

  const LightRequestConstructor: typeof Request = new Proxy(globalThis.Request, {
    construct(target, args, newTarget) {
      if (args[0] instanceof LightRequest) args[0] = args[0].real();
      return Reflect.construct(target, args, newTarget === LightRequestConstructor ? target : newTarget);
    },
  });
  globalThis.Request = LightRequestConstructor;
}
