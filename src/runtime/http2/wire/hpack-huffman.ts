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

/** How many bits one look into the table takes: all codes of ASCII text but a few rare marks. */
const peekBits = 11;
const peekMask = (1 << peekBits) - 1;

interface Tables {
  /** By the next 11 bits: the code's length above bit 8, its byte below; 0 when the code is longer. */
  readonly peek: Uint16Array;
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

function tablesOf(): Tables {
  const ordered = Uint8Array.from({ length: 256 }, (_, byte) => byte).sort(
    (one, other) => huffmanLengths[one]! - huffmanLengths[other]! || one - other,
  );
  const built: Tables = {
    peek: new Uint16Array(1 << peekBits),
    ordered,
    first: new Uint32Array(longest + 1),
    limit: new Uint32Array(longest + 1),
    offset: new Uint16Array(longest + 1),
  };
  let next = 0;
  let aligned = 0;
  for (let length = shortest; length <= longest; length++) {
    built.first[length] = aligned;
    built.offset[length] = next;
    for (; next < 256 && huffmanLengths[ordered[next]!] === length; next++) {
      if (length <= peekBits) {
        const from = aligned >>> (32 - peekBits);
        built.peek.fill((length << 8) | ordered[next]!, from, from + (1 << (peekBits - length)));
      }
      aligned += 2 ** (32 - length);
    }
    built.limit[length] = aligned;
  }
  return built;
}

/** How many bytes `huffmanDecode` writes at most for `length` coded ones. */
export function huffmanDecodedBytes(length: number): number {
  return Math.ceil((length * 8) / shortest);
}

/**
 * Decodes `bytes` from `start` to `end` into `target`, which must have room, and says how many bytes it wrote.
 *
 * @throws {@link HpackError} on EOS and on padding that is longer than 7 bits or has a zero in it
 */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number, target: Uint8Array): number {
  tables ??= tablesOf();
  const { peek } = tables;
  let written = 0;
  let at = start;
  let buffer = 0;
  let bits = 0;
  for (;;) {
    while (bits <= 24 && at < end) {
      buffer = (buffer << 8) | bytes[at++]!;
      bits += 8;
    }
    if (bits < peekBits) break;
    do {
      const entry = peek[(buffer >>> (bits - peekBits)) & peekMask]!;
      if (entry === 0) {
        const position = at * 8 - bits;
        const length = longCode(tables, bytes, position, end, peekBits + 1);
        target[written++] = longByte;
        at = (position + length + 7) >>> 3;
        bits = at * 8 - position - length;
        buffer = bytes[at - 1]!;
        break;
      }
      target[written++] = entry & 0xff;
      bits -= entry >>> 8;
    } while (bits >= peekBits);
  }
  for (let position = at * 8 - bits; position < end * 8; ) {
    const length = longCode(tables, bytes, position, end, shortest);
    if (length === 0) break;
    target[written++] = longByte;
    position += length;
  }
  return written;
}

/** What the last {@link longCode} stands for: a second result without an object. */
let longByte = 0;

/** Reads one code of `from` bits or more at a bit, bytes after the end being ones; 0 when only padding is left. */
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
    if (length > left)
      throw new HpackError("a Huffman-coded string ends within a code, or its padding is not all ones");
    longByte = tables.ordered[tables.offset[length]! + ((code - tables.first[length]!) >>> (32 - length))]!;
    return length;
  }
  if (left >= longest) throw new HpackError("a Huffman-coded string contains EOS");
  if (left > 7) throw new HpackError("a Huffman-coded string is padded with more than 7 bits");
  return 0;
}
