import { isFieldName, isFieldValue } from "../frame/field-syntax.ts";
import { HpackError } from "./hpack-error.ts";
import { huffmanDecode, huffmanRoom } from "./hpack-huffman.ts";
import { latin1Of } from "./hpack-latin1.ts";
import { RepeatedStrings } from "./hpack-repeats.ts";
import {
  defaultTableBytes,
  fieldOverheadBytes,
  staticLength,
  staticNames,
  staticValues,
} from "./hpack-static-table.ts";

/** Limits of an {@link HpackDecoder}. */
export interface HpackDecoderOptions {
  /** What this side's SETTINGS_HEADER_TABLE_SIZE says, in bytes; the peer's encoder starts with 4096 at most. */
  readonly maxTableBytes: number;
  /** Names, values and 32 bytes a field of one block together; what is beyond is left out. */
  readonly maxListBytes: number;
}

/** What may be malformed in a field, as bits. */
const badName = 1;
const badValue = 2;

/** The one name of the static table that HTTP/2 forbids. */
const transferEncoding = staticNames.indexOf("transfer-encoding");

/** Room for Huffman-coded strings; longer ones get a buffer of their own. */
const scratch = new Uint8Array(8192);

/**
 * Decodes header blocks (RFC 7541): one for each connection, and every block that comes must go through it, in
 * order, also those of streams that are gone.
 *
 * Names and values are latin1, a character a byte. A field of one of the tables costs no new string, and no check of
 * its characters: the table remembers whether it was well-formed when it came.
 */
export class HpackDecoder {
  readonly #maxListBytes: number;
  readonly #maxTableBytes: number;
  /** What the peer's encoder limits itself to. */
  #tableLimit: number;
  #tableBytes = 0;
  // A ring whose length is a power of 2: entry i is at i & mask, the newest is #inserted - 1.
  #names: string[] = new Array<string>(16).fill("");
  #values: string[] = new Array<string>(16).fill("");
  #faults: Uint8Array = new Uint8Array(16);
  #inserted = 0;
  #count = 0;
  #at = 0;
  #overflowed = false;
  #malformed = false;
  /** What is malformed in the field that is being read. */
  #fault = 0;
  #repeated: RepeatedStrings | undefined = undefined;

  constructor(options: HpackDecoderOptions) {
    this.#maxTableBytes = options.maxTableBytes;
    this.#tableLimit = Math.min(options.maxTableBytes, defaultTableBytes);
    this.#maxListBytes = options.maxListBytes;
  }

  /** Whether the last block held more than `maxListBytes`: what `decode` returned is its beginning. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /**
   * Whether the last block held a name or a value that HTTP/2 forbids. The tables are right all the same, and so is
   * what `decode` returned, but nobody should act on it.
   */
  get malformed(): boolean {
    return this.#malformed;
  }

  /**
   * Decodes one whole block, from `start` to `end` in `bytes`: [name, value, name, value, …].
   *
   * @throws {@link HpackError} when it is malformed; the decoder is of no use afterwards
   */
  decode(bytes: Uint8Array, start: number, end: number): string[] {
    const fields: string[] = [];
    let left = this.#maxListBytes;
    this.#at = start;
    this.#overflowed = false;
    let faults = 0;
    if (start < end && (bytes[start]! & 0xe0) === 0x20) this.#sizeUpdates(bytes, end);
    while (this.#at < end) {
      const first = bytes[this.#at]!;
      let name: string;
      let value: string;
      this.#fault = 0;
      if (first >= 0x80) {
        const index = this.#integer(bytes, end, 0x7f);
        if (index <= staticLength) {
          if (index === 0) throw new HpackError("a field has index 0");
          name = staticNames[index]!;
          value = staticValues[index]!;
          if (index === transferEncoding) this.#fault = badName;
        } else {
          const slot = this.#slot(index);
          name = this.#names[slot]!;
          value = this.#values[slot]!;
          this.#fault = this.#faults[slot]!;
        }
      } else if (first >= 0x40) {
        name = this.#name(bytes, end, 0x3f);
        value = this.#string(bytes, end, false);
        this.#insert(name, value);
      } else if (first >= 0x20) {
        throw new HpackError("the table's size changes after a field");
      } else {
        name = this.#name(bytes, end, 0x0f);
        value = this.#string(bytes, end, true);
      }
      faults |= this.#fault;
      left -= name.length + value.length + fieldOverheadBytes;
      if (left >= 0) fields.push(name, value);
    }
    this.#overflowed = left < 0;
    this.#malformed = faults !== 0;
    return fields;
  }

  #sizeUpdates(bytes: Uint8Array, end: number): void {
    while (this.#at < end && (bytes[this.#at]! & 0xe0) === 0x20) {
      const size = this.#integer(bytes, end, 0x1f);
      if (size > this.#maxTableBytes) {
        throw new HpackError(
          `the table's size becomes ${size}, more than the ${this.#maxTableBytes} allowed`,
        );
      }
      this.#tableLimit = size;
      this.#evict(size);
    }
  }

  /** Where the ring holds the entry of a dynamic index. */
  #slot(index: number): number {
    const age = index - staticLength;
    if (age > this.#count) {
      throw new HpackError(`a field has index ${index}, the table ends at ${staticLength + this.#count}`);
    }
    return (this.#inserted - age) & (this.#names.length - 1);
  }

  #name(bytes: Uint8Array, end: number, mask: number): string {
    const index = this.#integer(bytes, end, mask);
    if (index === 0) {
      const name = this.#string(bytes, end, false);
      this.#fault = isFieldName(name) ? 0 : badName;
      return name;
    }
    if (index <= staticLength) {
      if (index === transferEncoding) this.#fault = badName;
      return staticNames[index]!;
    }
    const slot = this.#slot(index);
    this.#fault = this.#faults[slot]! & badName;
    return this.#names[slot]!;
  }

  #integer(bytes: Uint8Array, end: number, mask: number): number {
    const prefix = bytes[this.#at++]! & mask;
    if (prefix < mask) return prefix;
    let value = prefix;
    // Five more bytes hold 2^31 with room to spare; an encoder could go on with zeros for ever.
    for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
      if (this.#at >= end) throw new HpackError("the block ends within a number");
      const byte = bytes[this.#at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value >= 2 ** 31) throw new HpackError(`the number ${value} is too large`);
        return value;
      }
    }
    throw new HpackError("a number is longer than 6 bytes");
  }

  /** Reads a string; `mayRepeat` when no table will hold it. */
  #string(bytes: Uint8Array, end: number, mayRepeat: boolean): string {
    if (this.#at >= end) throw new HpackError("the block ends where a string should start");
    const coded = bytes[this.#at]! >= 0x80;
    const length = this.#integer(bytes, end, 0x7f);
    const start = this.#at;
    if (length > end - start) {
      throw new HpackError(`a string of ${length} bytes starts ${end - start} bytes before the block's end`);
    }
    this.#at = start + length;
    if (!mayRepeat || !RepeatedStrings.takes(length)) return this.#text(bytes, start, this.#at, coded);
    this.#repeated ??= new RepeatedStrings();
    const known = this.#repeated.find(bytes, start, this.#at, coded);
    if (known !== undefined) return known;
    const text = this.#text(bytes, start, this.#at, coded);
    // What is remembered is not checked again.
    if (this.#fault === 0) this.#repeated.add(bytes, start, this.#at, text);
    return text;
  }

  #text(bytes: Uint8Array, start: number, end: number, coded: boolean): string {
    let source = bytes;
    let from = start;
    let to = end;
    if (coded) {
      const room = huffmanRoom(end - start);
      source = room <= scratch.length ? scratch : new Uint8Array(room);
      from = 0;
      to = huffmanDecode(bytes, start, end, source);
    }
    if (!isFieldValue(source, from, to)) this.#fault |= badValue;
    return latin1Of(source, from, to);
  }

  #insert(name: string, value: string): void {
    const size = name.length + value.length + fieldOverheadBytes;
    this.#evict(this.#tableLimit - size);
    if (size > this.#tableLimit) return;
    if (this.#count === this.#names.length) this.#growRing();
    const slot = this.#inserted & (this.#names.length - 1);
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#faults[slot] = this.#fault;
    this.#inserted++;
    this.#count++;
    this.#tableBytes += size;
  }

  /** Drops the oldest entries until the rest takes at most `limit` bytes. */
  #evict(limit: number): void {
    while (this.#count > 0 && this.#tableBytes > limit) {
      const slot = (this.#inserted - this.#count) & (this.#names.length - 1);
      this.#tableBytes -= this.#names[slot]!.length + this.#values[slot]!.length + fieldOverheadBytes;
      this.#names[slot] = "";
      this.#values[slot] = "";
      this.#count--;
    }
  }

  #growRing(): void {
    const length = this.#names.length * 2;
    const names = new Array<string>(length).fill("");
    const values = new Array<string>(length).fill("");
    const faults = new Uint8Array(length);
    for (let entry = this.#inserted - this.#count; entry < this.#inserted; entry++) {
      names[entry & (length - 1)] = this.#names[entry & (length / 2 - 1)]!;
      values[entry & (length - 1)] = this.#values[entry & (length / 2 - 1)]!;
      faults[entry & (length - 1)] = this.#faults[entry & (length / 2 - 1)]!;
    }
    this.#names = names;
    this.#values = values;
    this.#faults = faults;
  }
}
