/** Shorter strings are decoded faster than they are looked up. */
const shortest = 64;
/** Longer ones are not worth the memory. */
const longest = 4096;
const slots = 8;

/**
 * Remembers long strings that come again and again as literals, by their encoded bytes.
 *
 * Many clients never index a token: they send its 500 Huffman-coded bytes with every call, whose decoding would
 * cost more than that of all other fields. The same text again is the same string, too, so that caches keyed by it
 * have nothing to hash. A string is kept when it comes for the second time: one that is new with every call costs
 * no copy.
 */
export class RepeatedStrings {
  readonly #marks = new Int32Array(slots);
  readonly #encoded: (Uint8Array | undefined)[] = new Array<undefined>(slots).fill(undefined);
  readonly #texts: string[] = new Array<string>(slots).fill("");
  /** What `find` computed, for the `add` that follows. */
  #mark = 0;

  /** Whether strings of so many encoded bytes are remembered. */
  static takes(length: number): boolean {
    return length >= shortest && length <= longest;
  }

  /** The text of the encoded bytes; undefined when they are not remembered. */
  find(bytes: Uint8Array, start: number, end: number, coded: boolean): string | undefined {
    const mark = markOf(bytes, start, end, coded);
    this.#mark = mark;
    const slot = mark & (slots - 1);
    const encoded = this.#encoded[slot];
    if (encoded === undefined || this.#marks[slot] !== mark || encoded.length !== end - start)
      return undefined;
    for (let at = 0; at < encoded.length; at++) {
      if (encoded[at] !== bytes[start + at]) return undefined;
    }
    return this.#texts[slot];
  }

  /** Takes the text of what {@link find} did not find; it is kept the second time. */
  add(bytes: Uint8Array, start: number, end: number, text: string): void {
    const mark = this.#mark;
    const slot = mark & (slots - 1);
    const again = this.#marks[slot] === mark;
    this.#marks[slot] = mark;
    // Not slice(): a Buffer's would share the memory of the whole chunk.
    this.#encoded[slot] = again ? new Uint8Array(bytes.subarray(start, end)) : undefined;
    this.#texts[slot] = again ? text : "";
  }
}

/**
 * A hash of the length and of 16 bytes: those in the middle and near the end, where tokens of one kind differ. One
 * bit of it says whether they are Huffman-coded.
 */
function markOf(bytes: Uint8Array, start: number, end: number, coded: boolean): number {
  let mark = end - start;
  const middle = start + ((end - start) >> 1);
  for (let at = 1; at <= 8; at++) {
    mark = Math.imul(mark ^ bytes[middle + at]!, 0x01000193);
    mark = Math.imul(mark ^ bytes[end - 4 * at]!, 0x01000193);
  }
  mark ^= mark >>> 15;
  return coded ? mark | slots : mark & ~slots;
}
