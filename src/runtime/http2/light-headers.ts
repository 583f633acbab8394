import type { IncomingHttpHeaders } from "node:http";

const NativeHeaders = globalThis.Headers;

/**
 * `Headers` over the runtime's own header object: a look at one header costs a property access, and the
 * real `Headers` is made when somebody lists or changes them.
 */
class LightHeaders {
  readonly #source: IncomingHttpHeaders;
  #real: Headers | undefined;

  constructor(source: IncomingHttpHeaders) {
    this.#source = source;
  }

  get #full(): Headers {
    if (this.#real === undefined) {
      const real = new NativeHeaders();
      for (const name in this.#source) {
        const value = this.#source[name];
        if (name.charCodeAt(0) === 0x3a /* : */) continue;
        if (typeof value === "string") real.append(name, value);
        else if (Array.isArray(value)) for (const each of value) real.append(name, each);
      }
      this.#real = real;
    }
    return this.#real;
  }

  get(name: string): string | null {
    if (this.#real !== undefined) return this.#real.get(name);
    const value = this.#source[String(name).toLowerCase()];
    if (typeof value === "string") return name.charCodeAt(0) === 0x3a ? null : value;
    return Array.isArray(value) ? value.join(", ") : null;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  append(name: string, value: string): void {
    this.#full.append(name, value);
  }

  set(name: string, value: string): void {
    this.#full.set(name, value);
  }

  delete(name: string): void {
    this.#full.delete(name);
  }

  getSetCookie(): string[] {
    return this.#full.getSetCookie();
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void {
    this.#full.forEach((value, name) => {
      callback.call(thisArg, value, name, this as unknown as Headers);
    });
  }

  entries(): HeadersIterator<[string, string]> {
    return this.#full.entries();
  }

  keys(): HeadersIterator<string> {
    return this.#full.keys();
  }

  values(): HeadersIterator<string> {
    return this.#full.values();
  }

  [Symbol.iterator](): HeadersIterator<[string, string]> {
    return this.#full[Symbol.iterator]();
  }

  toJSON(): Record<string, string> {
    return Object.fromEntries(this.#full);
  }
}

Object.setPrototypeOf(LightHeaders.prototype, NativeHeaders.prototype);

/** Puts the face of `Headers` on what the runtime parsed (lower-case names; pseudo-headers stay hidden). */
export function lightHeaders(source: IncomingHttpHeaders): Headers {
  return new LightHeaders(source) as unknown as Headers;
}
