const NativeResponse = globalThis.Response;
const NativeHeaders = globalThis.Headers;

/** What a response can hold without being turned into a stream. */
export type LightBody = string | Uint8Array | ReadableStream<Uint8Array> | null;

const nullBodyStatuses: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * A `Response` that remembers what it was made of. A server that only wants to write it out reads that;
 * whoever looks further (`text()`, `clone()`, ...) gets the real one, made then.
 */
export class LightResponse {
  readonly status: number;
  readonly statusText: string;
  readonly #source: LightBody;
  readonly #init: HeadersInit | undefined;
  #headers: Headers | undefined;
  #real: Response | undefined;

  constructor(source: LightBody, init: ResponseInit | undefined) {
    this.#source = source;
    this.status = init?.status ?? 200;
    this.statusText = init?.statusText ?? "";
    this.#init = init?.headers;
    // A plain object may hold what no header may: `Headers` checks it, as the real Response would.
    if (this.#init !== undefined && !(this.#init instanceof NativeHeaders)) {
      this.#headers = new NativeHeaders(this.#init);
      this.#addContentType();
    }
  }

  get headers(): Headers {
    if (this.#headers === undefined) {
      this.#headers = new NativeHeaders(this.#init);
      this.#addContentType();
    }
    return this.#headers;
  }

  /** The headers as they can be written out; not to be changed. */
  get writtenHeaders(): Headers | undefined {
    if (this.#headers !== undefined) return this.#headers;
    if (this.#init === undefined) return typeof this.#source === "string" ? this.headers : undefined;
    return typeof this.#source !== "string" || (this.#init as Headers).has("content-type")
      ? (this.#init as Headers)
      : this.headers;
  }

  /** The body as it was given; undefined when the real response was made, which then owns it. */
  get source(): LightBody | undefined {
    return this.#real === undefined ? this.#source : undefined;
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.#source === null) return null;
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
      headers: this.headers,
    });
    return this.#real;
  }

  #addContentType(): void {
    if (typeof this.#source === "string" && !this.#headers!.has("content-type")) {
      this.#headers!.set("content-type", "text/plain;charset=UTF-8");
    }
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
    (init?.statusText === undefined || init.statusText === "") &&
    !(light instanceof ReadableStream && light.locked);
  return fits ? (new LightResponse(light, init) as unknown as Response) : new NativeResponse(body, init);
}
