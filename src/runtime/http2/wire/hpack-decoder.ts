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

/** Room for Huffman-coded strings; longer ones get a buffer of their own. */
const scratch = new Uint8Array(8192);

/**
 * Decodes header blocks (RFC 7541): one for each connection, and every block that comes must go through it, in
 * order, also those of streams that are gone.
 *
 * Names and values are latin1, a character a byte. A field of one of the tables costs no new string.
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
  #inserted = 0;
  #count = 0;
  #at = 0;
  #overflowed = false;
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
   * Decodes one whole block, from `start` to `end` in `bytes`: [name, value, name, value, …].
   *
   * @throws {@link HpackError} when it is malformed; the decoder is of no use afterwards
   */
  decode(bytes: Uint8Array, start: number, end: number): string[] {
    const fields: string[] = [];
    let left = this.#maxListBytes;
    this.#at = start;
    this.#overflowed = false;
    if (start < end && (bytes[start]! & 0xe0) === 0x20) this.#sizeUpdates(bytes, end);
    while (this.#at < end) {
      const first = bytes[this.#at]!;
      let name: string;
      let value: string;
      if (first >= 0x80) {
        const index = this.#integer(bytes, end, 0x7f);
        if (index <= staticLength) {
          if (index === 0) throw new HpackError("a field has index 0");
          name = staticNames[index]!;
          value = staticValues[index]!;
        } else {
          const slot = this.#slot(index);
          name = this.#names[slot]!;
          value = this.#values[slot]!;
        }
      } else if (first >= 0x40) {
        name = this.#name(bytes, end, 0x3f);
        value = this.#string(bytes, end);
        this.#insert(name, value);
      } else if (first >= 0x20) {
        throw new HpackError("the table's size changes after a field");
      } else {
        name = this.#name(bytes, end, 0x0f);
        value = this.#string(bytes, end, true);
      }
      left -= name.length + value.length + fieldOverheadBytes;
      if (left >= 0) fields.push(name, value);
    }
    this.#overflowed = left < 0;
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
    if (index === 0) return this.#string(bytes, end);
    return index <= staticLength ? staticNames[index]! : this.#names[this.#slot(index)]!;
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
  #string(bytes: Uint8Array, end: number, mayRepeat = false): string {
    if (this.#at >= end) throw new HpackError("the block ends where a string should start");
    const coded = bytes[this.#at]! >= 0x80;
    const length = this.#integer(bytes, end, 0x7f);
    const start = this.#at;
    if (length > end - start) {
      throw new HpackError(`a string of ${length} bytes starts ${end - start} bytes before the block's end`);
    }
    this.#at = start + length;
    if (!mayRepeat || !RepeatedStrings.takes(length)) return textOf(bytes, start, this.#at, coded);
    this.#repeated ??= new RepeatedStrings();
    const known = this.#repeated.find(bytes, start, this.#at, coded);
    if (known !== undefined) return known;
    const text = textOf(bytes, start, this.#at, coded);
    this.#repeated.add(bytes, start, this.#at, text);
    return text;
  }

  #insert(name: string, value: string): void {
    const size = name.length + value.length + fieldOverheadBytes;
    this.#evict(this.#tableLimit - size);
    if (size > this.#tableLimit) return;
    if (this.#count === this.#names.length) this.#growRing();
    const slot = this.#inserted & (this.#names.length - 1);
    this.#names[slot] = name;
    this.#values[slot] = value;
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
    for (let entry = this.#inserted - this.#count; entry < this.#inserted; entry++) {
      names[entry & (length - 1)] = this.#names[entry & (length / 2 - 1)]!;
      values[entry & (length - 1)] = this.#values[entry & (length / 2 - 1)]!;
    }
    this.#names = names;
    this.#values = values;
  }
}

function textOf(bytes: Uint8Array, start: number, end: number, coded: boolean): string {
  if (!coded) return latin1Of(bytes, start, end);
  const room = huffmanRoom(end - start);
  const target = room <= scratch.length ? scratch : new Uint8Array(room);
  return latin1Of(target, 0, huffmanDecode(bytes, start, end, target));
}
