import { notFieldText } from "../../../core/headers.ts";
import type { ByteSink } from "../frame/byte-sink.ts";
import { isBlank, isFieldCharacter, isFieldName } from "../frame/field-syntax.ts";
import { indexOfPlace, NameEntry } from "./hpack-indexing.ts";
import { defaultTableBytes, fieldOverheadBytes } from "./hpack-static-table.ts";

/** An entry of the dynamic table. */
interface TableEntry {
  readonly of: NameEntry;
  readonly value: string;
}

/** A number's prefix and five more bytes, which is all that 2^31 needs. */
const numberBytes = 6;

/** So many names are remembered while the table holds none of their values, beside those known beforehand. */
const maxNames = 128;

/**
 * Encodes header blocks (RFC 7541): one for each connection, and its blocks must be sent in the order they were
 * made.
 *
 * It is written for short blocks at a high rate: a field that a table holds costs two comparisons and a byte.
 * Strings are never Huffman-coded: what repeats is an index after the first call anyhow. Of a call's other fields
 * the code would save some 15 bytes, those of a traceparent, and take 0.2 to 0.4 µs more to write and 0.15 µs more
 * to read, which is what all its fields together take now.
 */
export class HpackEncoder {
  readonly #names = new Map<string, NameEntry>();
  /** The dynamic table, oldest first; entry number n is at n - 1 - #dropped. */
  #entries: TableEntry[] = [];
  /** How many entries were ever put into the table, and how many of them fell out. */
  #inserted = 0;
  #dropped = 0;
  #tableBytes = 0;
  #tableLimit = defaultTableBytes;
  /** The smallest limit since the last block, when the peer must be told. */
  #smallest: number | undefined = undefined;

  /**
   * Keeps to the peer's SETTINGS_HEADER_TABLE_SIZE; of more than 4096 bytes no use is made. The next block tells
   * the peer.
   */
  setMaxTableBytes(bytes: number): void {
    const limit = Math.min(bytes, defaultTableBytes);
    if (limit === this.#tableLimit) return;
    this.#tableLimit = limit;
    this.#smallest = Math.min(limit, this.#smallest ?? limit);
    this.#evict(limit);
  }

  /**
   * Appends the block of `fields`, [name, value, name, value, …] with names in lower case, to `out`. Blanks around a
   * value are left out: no value may begin or end with one.
   *
   * @throws {TypeError} when a field has a control character or one above U+00FF, or a name that HTTP/2 forbids; `out`
   *   is as before then, and the encoder goes on working
   */
  encode(fields: readonly string[], out: ByteSink): void {
    const { length } = fields;
    const start = out.length;
    out.ensure(length + 2 * numberBytes);
    if (this.#smallest !== undefined) this.#tellSize(out);
    for (let at = 0; at < length; at += 2) {
      const name = fields[at]!;
      const value = fields[at + 1]!;
      const entry = this.#names.get(name) ?? this.#learn(name);
      const place = entry.placeOf(value);
      if (place !== 0) writeNumber(out, 0x80, 0x7f, indexOfPlace(place, this.#inserted));
      else if (!this.#literal(entry, value, out, length - at)) {
        out.length = start;
        this.#forget();
        throw notSendable(name, value);
      }
    }
  }

  #learn(name: string): NameEntry {
    const entry = new NameEntry(name);
    if (entry.lasting || this.#names.size < maxNames) this.#names.set(name, entry);
    return entry;
  }

  /** Writes a field that no table holds as it is given; false when it cannot be written. */
  #literal(entry: NameEntry, given: string, out: ByteSink, more: number): boolean {
    const { name } = entry;
    if (!entry.valid) return false;
    const value = withoutBlanks(given);
    const place = value === given ? 0 : entry.placeOf(value);
    if (place !== 0) {
      writeNumber(out, 0x80, 0x7f, indexOfPlace(place, this.#inserted));
      return true;
    }
    // Room for the fields that follow, too: those with an index do not ask for any.
    out.ensure(name.length + value.length + 3 * numberBytes + more);
    const index =
      entry.staticIndex > 0 || entry.newest === 0
        ? entry.staticIndex
        : indexOfPlace(entry.newest, this.#inserted);
    const hidden = entry.mustHide(value);
    const indexed = !hidden && entry.wants(value);
    if (indexed) writeNumber(out, 0x40, 0x3f, index);
    else writeNumber(out, hidden ? 0x10 : 0, 0x0f, index);
    if (index === 0 && !writeString(out, name)) return false;
    if (!writeString(out, value)) return false;
    if (indexed) this.#insert(entry, value);
    return true;
  }

  #insert(entry: NameEntry, value: string): void {
    const size = entry.name.length + value.length + fieldOverheadBytes;
    this.#evict(this.#tableLimit - size);
    if (size > this.#tableLimit) return;
    this.#entries.push({ of: entry, value });
    this.#tableBytes += size;
    const place = ++this.#inserted;
    entry.enter(value, place);
    this.#names.set(entry.name, entry);
  }

  /** Drops the oldest entries until the rest takes at most `limit` bytes. */
  #evict(limit: number): void {
    let count = 0;
    while (count < this.#entries.length && this.#tableBytes > limit) {
      const { of: entry, value } = this.#entries[count++]!;
      const place = ++this.#dropped;
      this.#tableBytes -= entry.name.length + value.length + fieldOverheadBytes;
      entry.leave(value, place);
      if (entry.newest === 0 && !entry.lasting) this.#names.delete(entry.name);
    }
    if (count > 0) this.#entries.splice(0, count);
  }

  /** Empties both tables: the peer never sees what the block that failed has put into this one. */
  #forget(): void {
    this.#evict(0);
    this.#smallest = 0;
  }

  #tellSize(out: ByteSink): void {
    if (this.#smallest! < this.#tableLimit) writeNumber(out, 0x20, 0x1f, this.#smallest!);
    writeNumber(out, 0x20, 0x1f, this.#tableLimit);
    this.#smallest = undefined;
  }
}

/**
 * Checks fields that will be encoded later.
 *
 * @throws {TypeError} as {@link HpackEncoder.encode} does
 */
export function checkFields(fields: readonly string[]): void {
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    const value = fields[at + 1]!;
    if (!isFieldName(name) || notFieldText.test(value)) throw notSendable(name, value);
  }
}

/** A value without the spaces and tabs around it. */
function withoutBlanks(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start++;
  while (start < end && isBlank(value.charCodeAt(end - 1))) end--;
  return end - start === value.length ? value : value.slice(start, end);
}

/** Why a field cannot be sent. */
function notSendable(name: string, value: string): TypeError {
  const found = notFieldText.exec(value) ?? notFieldText.exec(name);
  const code = found?.[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
  return new TypeError(
    `Cannot send the header ${JSON.stringify(name)}: ${
      code === undefined
        ? "HTTP/2 allows no such name, write it in lower case and leave fields of the connection out"
        : `U+${code} in it is no character of a header, encode the value`
    }`,
  );
}

/** Writes a number behind the bits of `prefix` (RFC 7541, 5.1); there must be room. */
function writeNumber(out: ByteSink, prefix: number, mask: number, value: number): void {
  const { bytes } = out;
  if (value < mask) {
    bytes[out.length++] = prefix | value;
    return;
  }
  bytes[out.length++] = prefix | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) bytes[out.length++] = (rest & 0x7f) | 0x80;
  bytes[out.length++] = rest;
}

/**
 * Writes a string as it is; there must be room. False when it has a character that must not be sent: one above
 * U+00FF has no byte, and a control character could end a field early where HTTP/1.1 takes over.
 */
function writeString(out: ByteSink, text: string): boolean {
  writeNumber(out, 0, 0x7f, text.length);
  const { bytes, length: start } = out;
  const { length } = text;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (!isFieldCharacter(code)) return false;
    bytes[start + at] = code;
  }
  out.length = start + length;
  return true;
}
