import type { HttpResponse } from "./http-transport.ts";

/** A response whose body can be read whole as often as one likes: what was read once is kept. */
export class KeptResponse implements HttpResponse {
  readonly #source: HttpResponse;
  #bytes: Promise<Uint8Array> | undefined;
  #body: ReadableStream<Uint8Array> | null | undefined;

  constructor(source: HttpResponse) {
    this.#source = source;
  }

  get status(): number {
    return this.#source.status;
  }

  get headers(): HttpResponse["headers"] {
    return this.#source.headers;
  }

  get url(): string {
    return this.#source.url ?? "";
  }

  get settled(): boolean {
    return this.#source.settled === true;
  }

  /** Whether anybody has begun to read the body. */
  get used(): boolean {
    return this.#bytes !== undefined || this.#body !== undefined;
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.#body === undefined) {
      const kept = this.#bytes;
      this.#body = kept === undefined ? this.#source.body : streamOf(kept);
    }
    return this.#body;
  }

  bytes(maxBytes?: number): Promise<Uint8Array> {
    this.#bytes ??= this.#source.bytes(maxBytes);
    return this.#bytes;
  }

  async text(maxBytes?: number): Promise<string> {
    return new TextDecoder().decode(await this.bytes(maxBytes));
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  cancel(reason?: unknown): void {
    if (this.#source.cancel !== undefined) this.#source.cancel(reason);
    else this.#source.body?.cancel(reason).catch(() => {});
  }
}

function streamOf(whole: Promise<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(await whole);
      controller.close();
    },
  });
}
