import type { ByteSink } from "./byte-sink.ts";
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
 * Strings are never Huffman-coded. What repeats is an index after the first call anyhow; of what does not, the
 * code would save some 15 bytes a call and cost more time than all the rest, here and at the peer.
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
   * Appends the block of `fields`, [name, value, name, value, …] with names in lower case, to `out`.
   *
   * @throws {TypeError} when a field has a character above U+00FF; `out` is as before then, and the encoder usable
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
      let place = entry.lastPlace;
      if (entry.lastValue !== value) {
        place = entry.places.get(value) ?? 0;
        if (place !== 0) {
          entry.lastValue = value;
          entry.lastPlace = place;
        }
      }
      if (place !== 0) writeNumber(out, 0x80, 0x7f, indexOfPlace(place, this.#inserted));
      else if (!this.#literal(entry, value, out, length - at)) {
        out.length = start;
        this.#forget();
        throw new TypeError(
          `Cannot send the header ${name}: it has a character above U+00FF, encode its value`,
        );
      }
    }
  }

  #learn(name: string): NameEntry {
    const entry = new NameEntry(name);
    if (entry.lasting || this.#names.size < maxNames) this.#names.set(name, entry);
    return entry;
  }

  /** Writes a field that no table holds; false when it cannot be written. */
  #literal(entry: NameEntry, value: string, out: ByteSink, more: number): boolean {
    const { name } = entry;
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
    entry.newest = place;
    entry.places.set(value, place);
    entry.lastValue = value;
    entry.lastPlace = place;
    this.#names.set(entry.name, entry);
  }

  /** Drops the oldest entries until the rest takes at most `limit` bytes. */
  #evict(limit: number): void {
    let count = 0;
    while (count < this.#entries.length && this.#tableBytes > limit) {
      const { of: entry, value } = this.#entries[count++]!;
      const place = ++this.#dropped;
      this.#tableBytes -= entry.name.length + value.length + fieldOverheadBytes;
      entry.places.delete(value);
      if (entry.lastPlace === place) {
        entry.lastPlace = 0;
        entry.lastValue = undefined;
      }
      if (entry.newest === place) {
        entry.newest = 0;
        if (!entry.lasting) this.#names.delete(entry.name);
      }
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

/** Writes a string as it is; there must be room. False when it has a character above U+00FF. */
function writeString(out: ByteSink, text: string): boolean {
  writeNumber(out, 0, 0x7f, text.length);
  const { bytes, length: start } = out;
  const { length } = text;
  let seen = 0;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    seen |= code;
    bytes[start + at] = code;
  }
  out.length = start + length;
  return seen <= 0xff;
}
