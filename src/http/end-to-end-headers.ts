import { connectionFields, type HeaderSource } from "../core/headers.ts";

/** Fields that are for the next hop alone, and never passed on (RFC 9110, 7.6.1). */
export const hopByHop: ReadonlySet<string> = new Set([
  ...connectionFields,
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
]);

/** The other fields that a `Connection` field declares to be of this connection, in lower case. */
export function namedByConnection(connection: string | null | undefined): readonly string[] {
  if (connection == null || /^(?:keep-alive|close)$/i.test(connection)) return [];
  return connection
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "" && !hopByHop.has(name));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const control = /[\u0000-\u0008\u000a-\u001f\u007f]/;
const everyControl = new RegExp(control.source, "g");

/** A field value without control characters, each replaced by a space as RFC 9110, 5.5 has it. */
function withoutControls(value: string): string {
  return control.test(value) ? value.replace(everyControl, " ") : value;
}

/** The part of a response's header fields that is for its recipient, and safe to be passed on. */
export class EndToEndHeaders implements HeaderSource, Iterable<readonly [string, string]> {
  readonly #source: HeaderSource & Iterable<readonly [string, string]>;
  #named: readonly string[] | undefined;

  constructor(source: HeaderSource & Iterable<readonly [string, string]>) {
    this.#source = source;
  }

  get(name: string): string | null {
    const value = this.#source.get(name);
    if (value == null || !this.#passes(name.toLowerCase())) return null;
    return withoutControls(value);
  }

  *[Symbol.iterator](): IterableIterator<readonly [string, string]> {
    for (const field of this.#source) {
      const [name, value] = field;
      if (!this.#passes(name)) continue;
      yield control.test(value) ? [name, withoutControls(value)] : field;
    }
  }

  #passes(name: string): boolean {
    if (hopByHop.has(name)) return false;
    this.#named ??= namedByConnection(this.#source.get("connection"));
    return this.#named.length === 0 || !this.#named.includes(name);
  }
}
