import type { HeaderSource } from "../core/headers.ts";

/**
 * The fields of a header or trailer section as they are sent: name, value, name, value; names in lower case. Of
 * a request or response of HTTP/2 the pseudo-header fields come first.
 */
export type Fields = readonly string[];

/** Fields of which the first one counts when there are several, as in Node's servers. */
const singular: ReadonlySet<string> = new Set([
  "authorization",
  "content-length",
  "content-type",
  "from",
  "host",
  "if-modified-since",
  "if-unmodified-since",
  "max-forwards",
  "proxy-authorization",
  "referer",
  "user-agent",
]);

/** Whether a name is that of a pseudo-header field. */
export function isPseudo(name: string): boolean {
  return name.charCodeAt(0) === 0x3a;
}

/** The first value of a field. */
export function fieldOf(fields: Fields, name: string): string | undefined {
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return fields[at + 1];
  return undefined;
}

/** The values of a field, joined by commas when it is there several times. */
export function joinedFieldOf(fields: Fields, name: string): string | undefined {
  let value: string | undefined;
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== name) continue;
    value = value === undefined ? fields[at + 1]! : `${value}, ${fields[at + 1]!}`;
  }
  return value;
}

/** The value of a field as a handler is shown it: of several the first, or all of them joined, as the field has it. */
export function combinedFieldOf(fields: Fields, name: string): string | undefined {
  let value: string | undefined;
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== name) continue;
    value = value === undefined ? fields[at + 1]! : combined(name, value, fields[at + 1]!);
  }
  return value;
}

function combined(name: string, first: string, second: string): string {
  if (singular.has(name)) return first;
  return name === "cookie" ? `${first}; ${second}` : `${first}, ${second}`;
}

/** A list in which each field is there once, except for `set-cookie`, and no pseudo-header field is. */
export function combinedFields(fields: Fields): string[] {
  const list: string[] = [];
  const places = new Map<string, number>();
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    if (isPseudo(name)) continue;
    const place = name === "set-cookie" ? undefined : places.get(name);
    if (place === undefined) {
      places.set(name, list.length + 1);
      list.push(name, fields[at + 1]!);
    } else list[place] = combined(name, list[place]!, fields[at + 1]!);
  }
  return list;
}

/** Gives a field one value, in the place of those that it has. */
export function setField(fields: string[], name: string, value: string): void {
  const at = indexOfField(fields, name);
  if (at === -1) {
    fields.push(name, value);
    return;
  }
  fields[at + 1] = value;
  removeField(fields, name, at + 2);
}

/** A copy in which a field has this one value. */
export function withField(fields: Fields, name: string, value: string): string[] {
  const copy = fields.slice();
  setField(copy, name, value);
  return copy;
}

/** Takes a field out, from a place on. */
export function removeField(fields: string[], name: string, from = 0): void {
  for (let at = indexOfField(fields, name, from); at !== -1; at = indexOfField(fields, name, at)) {
    fields.splice(at, 2);
  }
}

function indexOfField(fields: Fields, name: string, from = 0): number {
  for (let at = from; at < fields.length; at += 2) if (fields[at] === name) return at;
  return -1;
}

/** Fields by name, without a `Headers` around them. */
export class FieldSource implements HeaderSource {
  readonly #fields: Fields;

  constructor(fields: Fields) {
    this.#fields = fields;
  }

  get(name: string): string | undefined {
    return joinedFieldOf(this.#fields, name);
  }
}
