import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { notFieldText, token } from "../../core/headers.ts";

const NativeHeaders = globalThis.Headers;

/** Names in lower case; several values only for `set-cookie`. */
type Fields = Record<string, string | string[] | undefined>;

const outerBlanks = /^[\t\n\r ]+|[\t\n\r ]+$/g;

/** Names that were checked before, with their form in lower case: a program uses few. */
const knownNames = new Map<string, string>();
const maxKnownNames = 1_000;

function checkedName(name: string): string {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  if (!token.test(name)) throw new TypeError(`Cannot use header name: ${JSON.stringify(name)} is no token`);
  const lower = name.toLowerCase();
  if (knownNames.size < maxKnownNames) knownNames.set(name, lower);
  return lower;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

function checkedValue(name: string, value: unknown): string {
  let text = typeof value === "string" ? value : String(value);
  if (isBlank(text.charCodeAt(0)) || isBlank(text.charCodeAt(text.length - 1))) {
    text = text.replace(outerBlanks, "");
  }
  if (notFieldText.test(text)) {
    throw new TypeError(`Cannot use header ${name}: its value holds a character that no header may`);
  }
  return text;
}

/**
 * `Headers` over a plain object, the runtime's own or one that is made: a look at one header costs a
 * property access. On Node a real `Headers` costs more to make and to list than to write out.
 */
export class LightHeaders {
  #fields: Fields;
  /** Whether the object is somebody else's and must be copied before it is changed. */
  #borrowed: boolean;

  /** @param borrowed - headers as the runtime parsed them (pseudo-headers stay hidden) */
  constructor(borrowed?: Fields) {
    this.#fields = borrowed ?? {};
    this.#borrowed = borrowed !== undefined;
  }

  /** Headers of their own that say the same; nothing is copied before one of the two is changed. */
  copy(): LightHeaders {
    this.#borrowed = true;
    return new LightHeaders(this.#fields);
  }

  /** A copy in the form that Node's writers take. */
  toOutgoing(): OutgoingHttpHeaders {
    const fields = this.#fields;
    // No null prototype: V8 keeps such an object as a hash table.
    const outgoing: OutgoingHttpHeaders = {};
    for (const name of Object.keys(fields)) {
      const value = fields[name];
      if (name.charCodeAt(0) !== 0x3a) outgoing[name] = typeof value === "string" ? value : value?.slice();
    }
    return outgoing;
  }

  get(name: string): string | null {
    const value = this.#fields[String(name).toLowerCase()];
    if (typeof value === "string") return name.charCodeAt(0) === 0x3a /* : */ ? null : value;
    return Array.isArray(value) ? value.join(", ") : null;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  set(name: string, value: string): void {
    const lower = checkedName(name);
    const text = checkedValue(lower, value);
    this.#own()[lower] = lower === "set-cookie" ? [text] : text;
  }

  append(name: string, value: string): void {
    const lower = checkedName(name);
    const text = checkedValue(lower, value);
    const fields = this.#own();
    const before = Object.hasOwn(fields, lower) ? fields[lower] : undefined;
    if (lower === "set-cookie") fields[lower] = before === undefined ? [text] : [...before, text];
    // "constructor" is inherited, and no value of a field.
    else fields[lower] = typeof before === "string" ? `${before}, ${text}` : text;
  }

  delete(name: string): void {
    delete this.#own()[checkedName(name)];
  }

  getSetCookie(): string[] {
    const cookies = this.#fields["set-cookie"];
    return cookies === undefined ? [] : Array.isArray(cookies) ? [...cookies] : [cookies];
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void {
    for (const [name, value] of this.entries())
      callback.call(thisArg, value, name, this as unknown as Headers);
  }

  /** Sorted by name, as in `Headers`. */
  *entries(): IterableIterator<[string, string]> {
    for (const name of Object.keys(this.#fields).sort()) {
      const value = this.#fields[name];
      if (value === undefined || name.charCodeAt(0) === 0x3a) continue;
      if (typeof value === "string") yield [name, value];
      else if (name === "set-cookie") for (const each of value) yield [name, each];
      else yield [name, value.join(", ")];
    }
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries();
  }

  toJSON(): Record<string, string> {
    return Object.fromEntries(this.entries());
  }

  #own(): Fields {
    if (this.#borrowed) {
      this.#fields = { ...this.#fields };
      this.#borrowed = false;
    }
    return this.#fields;
  }
}

Object.setPrototypeOf(LightHeaders.prototype, NativeHeaders.prototype);

/** Puts the face of `Headers` on what the runtime parsed. */
export function lightHeaders(source: IncomingHttpHeaders): Headers {
  return new LightHeaders(source) as unknown as Headers;
}

/**
 * Makes light headers of whatever a response may be given.
 *
 * @throws TypeError for a name or a value that no header may have
 */
export function lightHeadersFrom(init: HeadersInit | undefined): LightHeaders {
  const headers = new LightHeaders();
  if (init === undefined) return headers;
  if (Symbol.iterator in init) {
    for (const [name, value] of init as Iterable<readonly [string, string]>) headers.append(name, value);
  } else {
    for (const name of Object.keys(init)) headers.append(name, init[name] as string);
  }
  return headers;
}

/** Copies any headers into the form that Node's writers take. */
export function outgoingFrom(headers: Headers | undefined): OutgoingHttpHeaders {
  if (headers instanceof LightHeaders) return headers.toOutgoing();
  const outgoing: OutgoingHttpHeaders = {};
  if (headers === undefined) return outgoing;
  for (const [name, value] of headers) {
    if (name !== "set-cookie") outgoing[name] = value;
    else if (outgoing[name] === undefined) outgoing[name] = [value];
    else (outgoing[name] as string[]).push(value);
  }
  return outgoing;
}
