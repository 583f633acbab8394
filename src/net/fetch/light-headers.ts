import { notFieldText, token } from "../../core/headers.ts";
import {
  combinedFieldOf,
  combinedFields,
  type Fields,
  fieldOf,
  isPseudo,
  removeField,
  setField,
} from "../../http/fields.ts";

const NativeHeaders = globalThis.Headers;

const noFields: Fields = [];
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
 * `Headers` over a flat list of fields: those that came in, or that are made here. On Node a real `Headers` costs more to
 * make and to list than to write out.
 */
export class LightHeaders {
  #fields: Fields;
  /** The list again, once it is nobody else's and may be changed. */
  #own: string[] | undefined = undefined;
  /** Whether the list is as it came in: a field may be there several times, and pseudo-header fields among them. */
  #received: boolean;

  /**
   * @param fields - a list that is copied before it is changed
   * @param received - whether it is as it came in; else it holds each field once, except for `set-cookie`
   */
  constructor(fields: Fields = noFields, received = false) {
    this.#fields = fields;
    this.#received = received;
  }

  /** Headers of their own that say the same. */
  copy(): LightHeaders {
    return new LightHeaders(this.#own?.slice() ?? this.#fields, this.#received);
  }

  get(name: string): string | null {
    const lower = String(name).toLowerCase();
    return isPseudo(lower) ? null : (combinedFieldOf(this.#fields, lower) ?? null);
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  set(name: string, value: string): void {
    const lower = checkedName(name);
    setField(this.#changing(), lower, checkedValue(lower, value));
  }

  append(name: string, value: string): void {
    const lower = checkedName(name);
    const text = checkedValue(lower, value);
    const fields = this.#changing();
    const before = lower === "set-cookie" ? undefined : fieldOf(fields, lower);
    if (before === undefined) fields.push(lower, text);
    else setField(fields, lower, `${before}, ${text}`);
  }

  delete(name: string): void {
    removeField(this.#changing(), checkedName(name));
  }

  getSetCookie(): string[] {
    const fields = this.#fields;
    const cookies: string[] = [];
    for (let at = 0; at < fields.length; at += 2) {
      if (fields[at] === "set-cookie") cookies.push(fields[at + 1]!);
    }
    return cookies;
  }

  /** A list of its own that says the same. */
  toFields(): string[] {
    return this.#received ? combinedFields(this.#fields) : this.#fields.slice();
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void {
    // It has the interface of Headers; its type does not know that.
    for (const [name, value] of this.entries())
      callback.call(thisArg, value, name, this as unknown as Headers);
  }

  /** Sorted by name, as in `Headers`. */
  *entries(): IterableIterator<[string, string]> {
    const fields = this.#received ? combinedFields(this.#fields) : this.#fields;
    const pairs: [string, string][] = [];
    for (let at = 0; at < fields.length; at += 2) pairs.push([fields[at]!, fields[at + 1]!]);
    yield* pairs.sort(([first], [second]) => (first < second ? -1 : first === second ? 0 : 1));
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

  #changing(): string[] {
    if (this.#own === undefined) {
      this.#own = this.toFields();
      this.#fields = this.#own;
      this.#received = false;
    }
    return this.#own;
  }
}

Object.setPrototypeOf(LightHeaders.prototype, NativeHeaders.prototype);

/** Fields as they came in, with the interface of `Headers`. */
export function lightHeaders(received: Fields): Headers {
  // As above.
  return new LightHeaders(received, true) as unknown as Headers;
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

/** Copies any headers into a list of fields. */
export function fieldsFrom(headers: Headers | undefined): string[] {
  if (headers instanceof LightHeaders) return headers.toFields();
  const fields: string[] = [];
  if (headers === undefined) return fields;
  for (const [name, value] of headers) fields.push(name, value);
  return fields;
}
