import type { Dice } from "./dice.ts";

/** One array of many. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** The same bytes in other pieces, as a network cuts them. */
export function cut(dice: Dice, bytes: Uint8Array): Uint8Array[] {
  const largest = dice.pick([1, 3, 40, 1_500, 100_000]);
  const pieces: Uint8Array[] = [];
  // Byte by byte costs time; only the beginning of what is long is cut so.
  for (let at = 0; at < bytes.length; ) {
    const length = pieces.length > 400 ? bytes.length : dice.between(1, largest);
    pieces.push(bytes.slice(at, at + length));
    at += length;
  }
  return pieces;
}

const oddBytes = [0, 1, 0x09, 0x0a, 0x0d, 0x20, 0x2c, 0x3a, 0x3b, 0x7f, 0x80, 0xff];

/** Changes single bytes, takes some out or puts some in. */
export function mutatedBytes(dice: Dice, bytes: Uint8Array): Uint8Array {
  let result: Uint8Array = bytes.slice();
  for (let count = dice.between(1, 3); count > 0; count--) {
    const at = dice.below(result.length + 1);
    switch (dice.below(5)) {
      case 0:
        if (at < result.length) result[at] = result[at]! ^ (1 << dice.below(8));
        break;
      case 1:
        if (at < result.length) result[at] = dice.pick(oddBytes);
        break;
      case 2:
        result = joined([result.subarray(0, at), result.subarray(at + dice.size(20))]);
        break;
      case 3:
        result = joined([result.subarray(0, at), dice.bytes(dice.between(1, 8)), result.subarray(at)]);
        break;
      default:
        result = joined([result.subarray(0, at), result.subarray(Math.max(0, at - dice.size(40)))]);
    }
  }
  return result;
}

/** Changes an exchange: pieces are dropped, repeated, moved, changed, cut short, or taken from another one. */
export function mutated(
  dice: Dice,
  pieces: readonly Uint8Array[],
  others: () => readonly Uint8Array[],
): Uint8Array[] {
  const result = [...pieces];
  for (let count = dice.between(1, 4); count > 0 && result.length > 0; count--) {
    const at = dice.below(result.length);
    const piece = result[at]!;
    switch (dice.below(8)) {
      case 0:
        result.splice(at, 1);
        break;
      case 1:
        result.splice(at, 0, ...Array<Uint8Array>(dice.between(1, dice.chance(0.1) ? 300 : 3)).fill(piece));
        break;
      case 2:
        result.splice(dice.below(result.length), 0, ...result.splice(at, 1));
        break;
      case 3:
        result[at] = piece.subarray(0, dice.below(piece.length + 1));
        break;
      case 4:
        result.splice(at, dice.below(3), ...others().slice(dice.below(3)));
        break;
      case 5:
        result.splice(at, 0, dice.bytes(dice.size(2_000)));
        break;
      default:
        result[at] = mutatedBytes(dice, piece);
    }
  }
  return result;
}
