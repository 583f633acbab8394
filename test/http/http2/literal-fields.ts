import type { Fields } from "../../../src/http/http2/streams/stream.ts";

/** A literal that no table takes, and one that enters the table, by the first byte. */
export const unindexed = 0;
export const indexed = 0x40;

/** A field as a literal, which may hold what an encoder would not write. */
export function literal(first: number, name: string, value: string): number[] {
  const bytes = [first];
  for (const text of [name, value]) {
    const { length } = text;
    if (length < 127) bytes.push(length);
    else bytes.push(127, ((length - 127) & 127) | 128, (length - 127) >> 7);
    for (let at = 0; at < length; at++) bytes.push(text.charCodeAt(at));
  }
  return bytes;
}

/** A header block of literals that no table takes. */
export function literals(fields: Fields): number[] {
  const bytes: number[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    bytes.push(...literal(unindexed, fields[at]!, fields[at + 1]!));
  }
  return bytes;
}

/** One header block of many parts. */
export function blockOf(...parts: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flat());
}
