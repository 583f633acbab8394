import { HpackError } from "./hpack-error.ts";

/**
 * The length in bits of each byte's code (RFC 7541, Appendix B), one digit of base 36 a byte.
 *
 * The code is canonical: codes of one length are consecutive numbers in the order of their bytes, and each length
 * goes on where the one before ended. So the lengths are all there is to it; EOS is the last code, 30 ones.
 */
const lengthDigits =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq";

/** The length in bits of each byte's Huffman code. */
export const huffmanLengths: Uint8Array = Uint8Array.from(lengthDigits, (digit) =>
  Number.parseInt(digit, 36),
);

const shortest = 5;
const longest = 30;

/** How many bits one look into the table takes: two codes of most text, one of all ASCII but a few marks. */
const peekBits = 12;

interface Tables {
  /**
   * By the next 12 bits: one byte or two in the low 16 bits, how many they are in the next two, and the bits they
   * take above; 0 when the code is longer.
   */
  readonly peek: Uint32Array;
  /** All bytes in the order of their codes. */
  readonly ordered: Uint8Array;
  /** By length: the first code, aligned to 32 bits. */
  readonly first: Uint32Array;
  /** By length: the end of its codes, aligned to 32 bits, exclusive; without EOS. */
  readonly limit: Uint32Array;
  /** By length: where its bytes start in `ordered`. */
  readonly offset: Uint16Array;
}

let tables: Tables | undefined;

function createTables(): Tables {
  const peek = new Uint32Array(1 << peekBits);
  const first = new Uint32Array(longest + 1);
  const limit = new Uint32Array(longest + 1);
  const offset = new Uint16Array(longest + 1);
  const ordered = Uint8Array.from({ length: 256 }, (_, byte) => byte).sort(
    (one, other) => huffmanLengths[one]! - huffmanLengths[other]! || one - other,
  );
  let next = 0;
  let aligned = 0;
  for (let length = shortest; length <= longest; length++) {
    first[length] = aligned;
    offset[length] = next;
    for (; next < 256 && huffmanLengths[ordered[next]!] === length; next++) {
      if (length <= peekBits) {
        const from = aligned >>> (32 - peekBits);
        peek.fill((length << 18) | (1 << 16) | ordered[next]!, from, from + (1 << (peekBits - length)));
      }
      aligned += 2 ** (32 - length);
    }
    limit[length] = aligned;
  }
  const singles = peek.slice();
  for (let bits = 0; bits < peek.length; bits++) {
    const length = singles[bits]! >>> 18;
    const second = singles[(bits << length) & (peek.length - 1)]!;
    if (length === 0 || second === 0 || length + (second >>> 18) > peekBits) continue;
    const both = (singles[bits]! & 0xff) | ((second & 0xff) << 8);
    peek[bits] = ((length + (second >>> 18)) << 18) | (2 << 16) | both;
  }
  return { peek, ordered, first, limit, offset };
}

/** How much room `huffmanDecode` needs for `length` coded bytes; the last byte of it may be written to in vain. */
export function huffmanRoom(length: number): number {
  return Math.ceil((length * 8) / shortest) + 1;
}

/**
 * Decodes `bytes` from `start` to `end` into `target`, which must have the room, and says how many bytes it wrote.
 *
 * @throws {@link HpackError} on EOS and on padding that is longer than 7 bits or has a zero in it
 */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number, target: Uint8Array): number {
  tables ??= createTables();
  const { peek } = tables;
  const stop = end * 8;
  const lastWindow = stop - 32;
  let written = 0;
  let position = start * 8;
  // 25 bits of a window are sure, which is two looks. Nothing in it branches on the data but the rare long codes.
  while (position <= lastWindow) {
    const at = position >>> 3;
    const window =
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) <<
      (position & 7);
    const one = peek[window >>> (32 - peekBits)]!;
    target[written] = one;
    target[written + 1] = one >>> 8;
    written += (one >>> 16) & 3;
    const other = peek[(window << (one >>> 18)) >>> (32 - peekBits)]!;
    if (one !== 0 && other !== 0) {
      target[written] = other;
      target[written + 1] = other >>> 8;
      written += (other >>> 16) & 3;
      position += (one >>> 18) + (other >>> 18);
    } else {
      position += one >>> 18;
      position += longCode(tables, bytes, position, end, peekBits + 1);
      target[written++] = longByte;
    }
  }
  while (position < stop) {
    const at = position >>> 3;
    const second = at + 1 < end ? bytes[at + 1]! : 0xff;
    const third = at + 2 < end ? bytes[at + 2]! : 0xff;
    const window = ((bytes[at]! << 24) | (second << 16) | (third << 8) | 0xff) << (position & 7);
    const entry = peek[window >>> (32 - peekBits)]!;
    let length = huffmanLengths[entry & 0xff]!;
    if (entry === 0 || length > stop - position) {
      length = longCode(tables, bytes, position, end, shortest);
      if (length === 0) break;
      target[written++] = longByte;
    } else {
      target[written++] = entry;
    }
    position += length;
  }
  return written;
}

/** What the last {@link longCode} stands for: a second result without an object. */
let longByte = 0;

/**
 * The length of the code at a bit, which is at least `from`, as if ones came after the end; 0 when only padding is
 * left.
 */
function longCode(tables: Tables, bytes: Uint8Array, position: number, end: number, from: number): number {
  const at = position >>> 3;
  const shift = position & 7;
  const byteAt = (index: number): number => (index < end ? bytes[index]! : 0xff);
  const high =
    ((byteAt(at) << 24) | (byteAt(at + 1) << 16) | (byteAt(at + 2) << 8) | byteAt(at + 3)) << shift;
  const code = (high | (byteAt(at + 4) >>> (8 - shift))) >>> 0;
  const left = end * 8 - position;
  for (let length = from; length <= longest; length++) {
    if (code >= tables.limit[length]!) continue;
    if (length > left) {
      throw new HpackError("a Huffman-coded string ends within a code, or its padding is not all ones");
    }
    longByte = tables.ordered[tables.offset[length]! + ((code - tables.first[length]!) >>> (32 - length))]!;
    return length;
  }
  if (left >= longest) throw new HpackError("a Huffman-coded string contains EOS");
  if (left > 7) throw new HpackError("a Huffman-coded string is padded with more than 7 bits");
  return 0;
}
