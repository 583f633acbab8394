import type { HttpExchange } from "../../http/exchange.ts";
import { lightHeaders } from "./light-headers.ts";

const NativeRequest = globalThis.Request;
const text = new TextDecoder();

/**
 * A `Request` over what the runtime parsed. Method, URL, headers, signal and body are there at once;
 * anything else makes the real `Request`, which costs more than many a handler.
 */
export class LightRequest {
  readonly #exchange: HttpExchange;
  #headers: Headers | undefined;
  #body: ReadableStream<Uint8Array> | undefined;
  #used = false;
  /** Whether somebody took the body as a stream. */
  #streamed = false;
  #real: Request | undefined;

  constructor(exchange: HttpExchange) {
    this.#exchange = exchange;
  }

  get method(): string {
    return this.#exchange.method;
  }

  get url(): string {
    return this.#exchange.url;
  }

  get headers(): Headers {
    this.#headers ??= lightHeaders(this.#exchange.fields);
    return this.#headers;
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }

  get body(): ReadableStream<Uint8Array> | null {
    this.#streamed = true;
    return this.#real === undefined ? this.#stream() : this.#real.body;
  }

  /** Whether the body is read as a stream that has not ended. */
  get streamed(): boolean {
    return this.#streamed && this.#exchange.body?.ended === false;
  }

  /** Bytes of the body that have arrived. */
  get receivedBytes(): number {
    return this.#exchange.body?.receivedBytes ?? 0;
  }

  #stream(): ReadableStream<Uint8Array> | null {
    const source = this.#exchange.body;
    if (source === undefined) return null;
    this.#body ??= source.stream();
    return this.#body;
  }

  get bodyUsed(): boolean {
    return this.#real?.bodyUsed ?? (this.#used || this.#exchange.body?.used === true);
  }

  async text(): Promise<string> {
    return this.#mayReadDirectly ? text.decode(await this.#collect()) : this.real().text();
  }

  async json(): Promise<unknown> {
    return this.#mayReadDirectly ? JSON.parse(text.decode(await this.#collect())) : this.real().json();
  }

  async bytes(): Promise<Uint8Array> {
    return this.#mayReadDirectly ? this.#collect() : this.real().bytes();
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    if (!this.#mayReadDirectly) return this.real().arrayBuffer();
    const bytes = await this.#collect();
    const { buffer, byteOffset, byteLength } = bytes;
    return (
      byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)
    ) as ArrayBuffer;
  }

  async blob(): Promise<Blob> {
    if (!this.#mayReadDirectly) return this.real().blob();
    const type = this.headers.get("content-type") ?? "";
    return new Blob([(await this.#collect()) as Uint8Array<ArrayBuffer>], { type });
  }

  formData(): Promise<FormData> {
    return this.real().formData();
  }

  clone(): Request {
    return this.real().clone();
  }

  get duplex(): "half" {
    return "half";
  }

  /** The real `Request`; its body is this one's. */
  real(): Request {
    if (this.#real === undefined) {
      if (this.#used) throw new TypeError("Cannot use the body of this request: it was read already");
      // The platform's own holds no body then; it goes unread.
      const body = this.method === "GET" || this.method === "HEAD" ? null : this.#stream();
      const init = {
        method: this.method,
        headers: [...this.headers],
        signal: this.signal,
        body,
        duplex: "half",
      };
      this.#real = new NativeRequest(this.url, init as RequestInit);
    }
    return this.#real;
  }

  get #mayReadDirectly(): boolean {
    return this.#real === undefined && this.#body === undefined;
  }

  async #collect(): Promise<Uint8Array> {
    if (this.#used) throw new TypeError("Cannot use the body of this request: it was read already");
    const source = this.#exchange.body;
    if (source === undefined) return new Uint8Array();
    this.#used = true;
    return source.collect();
  }
}

for (const property of [
  "cache",
  "credentials",
  "destination",
  "integrity",
  "isHistoryNavigation",
  "keepalive",
  "mode",
  "redirect",
  "referrer",
  "referrerPolicy",
] as const) {
  Object.defineProperty(LightRequest.prototype, property, {
    get(this: LightRequest) {
      return Reflect.get(this.real(), property);
    },
    configurable: true,
  });
}
Object.setPrototypeOf(LightRequest.prototype, NativeRequest.prototype);

/** What came in, as the platform's own `Request`. */
export function platformRequest(exchange: HttpExchange): Request {
  return new LightRequest(exchange).real();
}

/** What came in, with the interface of `Request`. */
export function lightRequest(exchange: HttpExchange): Request {
  // It has the interface of Request, made through its prototype, which its type does not show.
  return new LightRequest(exchange) as unknown as Request;
}
