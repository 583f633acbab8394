import type { HeaderBlock } from "./status.ts";

/** Header names that the protocol sets itself, so that metadata of the same name is not sent. */
const reserved: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "content-type",
  "grpc-accept-encoding",
  "grpc-encoding",
  "grpc-message",
  "grpc-status",
  "grpc-status-details-bin",
  "grpc-timeout",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Whether the protocol itself sets this header. */
export function isReserved(name: string): boolean {
  return reserved.has(name);
}

/** Adds metadata to a header block that goes out; fields of the protocol itself are left out. */
export function addMetadata(block: Record<string, string>, metadata: Headers): void {
  metadata.forEach((value, name) => {
    if (reserved.has(name) && name !== "grpc-accept-encoding") return;
    const before = block[name];
    block[name] = before === undefined ? value : `${before}, ${value}`;
  });
}

function fill(target: Headers, block: HeaderBlock): void {
  for (const name in block) {
    const value = block[name];
    if (name.charCodeAt(0) === 0x3a || value === undefined) continue;
    try {
      if (typeof value === "string") Headers.prototype.append.call(target, name, value);
      else for (const each of value) Headers.prototype.append.call(target, name, each);
    } catch {
      // A byte that HTTP/2 lets through and Headers refuses: drop the field, keep the call.
    }
  }
}

/** A header block as `Headers`. */
export function headersFromBlock(block: HeaderBlock): Headers {
  const headers = new Headers();
  fill(headers, block);
  return headers;
}

/**
 * `Headers` that are filled from the runtime's own object at the first look.
 *
 * Most callers never look at the headers of an answer, and filling them costs more than the rest of a
 * small call's parsing. Every method fills first; afterwards it is an ordinary `Headers`.
 */
export class LazyHeaders extends Headers {
  #block: HeaderBlock | undefined;
  #filled = false;

  constructor(block?: HeaderBlock) {
    super();
    this.#block = block;
  }

  /** States the fields later, for trailers, which arrive after the object was handed out. */
  arrive(block: HeaderBlock): void {
    if (this.#filled) fill(this, block);
    else this.#block = block;
  }

  #fill(): void {
    if (this.#filled) return;
    this.#filled = true;
    const block = this.#block;
    this.#block = undefined;
    if (block !== undefined) fill(this, block);
  }

  override append(name: string, value: string): void {
    this.#fill();
    super.append(name, value);
  }

  override delete(name: string): void {
    this.#fill();
    super.delete(name);
  }

  override get(name: string): string | null {
    this.#fill();
    return super.get(name);
  }

  override getSetCookie(): string[] {
    this.#fill();
    return super.getSetCookie();
  }

  override has(name: string): boolean {
    this.#fill();
    return super.has(name);
  }

  override set(name: string, value: string): void {
    this.#fill();
    super.set(name, value);
  }

  override forEach(callback: (value: string, key: string, parent: Headers) => void, thisArg?: unknown): void {
    this.#fill();
    super.forEach(callback, thisArg);
  }

  override entries(): ReturnType<Headers["entries"]> {
    this.#fill();
    return super.entries();
  }

  override keys(): ReturnType<Headers["keys"]> {
    this.#fill();
    return super.keys();
  }

  override values(): ReturnType<Headers["values"]> {
    this.#fill();
    return super.values();
  }

  override [Symbol.iterator](): ReturnType<Headers["entries"]> {
    this.#fill();
    return super[Symbol.iterator]();
  }
}

/**
 * Whether `new Headers(lazy)` sees what a {@link LazyHeaders} will hold; a runtime that copies natively,
 * past the methods, would see nothing.
 */
const lazyIsSeen: boolean = new Headers(new LazyHeaders({ probe: "1" })).get("probe") === "1";

/** Headers of an answer: filled at the first look where the runtime allows, else at once. */
export function headersOf(block: HeaderBlock): Headers {
  return lazyIsSeen ? new LazyHeaders(block) : headersFromBlock(block);
}

/** Trailers that will arrive after the answer was handed out. */
export function pendingTrailers(): Headers & { arrive(block: HeaderBlock): void } {
  if (lazyIsSeen) return new LazyHeaders();
  const headers = new Headers();
  return Object.assign(headers, { arrive: (block: HeaderBlock) => fill(headers, block) });
}
