/** Bytes fetched from the platform at once; a call to it costs far more than the bytes do. */
const blockBytes = 4096;

const nibbles = new TextEncoder().encode("0123456789abcdef");

let bytes: Uint8Array<ArrayBuffer> | undefined;
let digits: Uint8Array | undefined;
let decoder: TextDecoder | undefined;
let hex = "";
let position = 0;

/** Fills the next block; the first time inside a request, because edge platforms forbid it at module scope. */
function refill(): void {
  bytes ??= new Uint8Array(blockBytes);
  digits ??= new Uint8Array(blockBytes * 2);
  decoder ??= new TextDecoder();
  crypto.getRandomValues(bytes);
  for (let index = 0; index < blockBytes; index++) {
    const byte = bytes[index]!;
    digits[index * 2] = nibbles[byte >> 4]!;
    digits[index * 2 + 1] = nibbles[byte & 15]!;
  }
  hex = decoder.decode(digits);
  position = 0;
}

/**
 * Cryptographically random lower-case hex digits, cut from a block that is made in advance: tens of
 * nanoseconds each, where `crypto.randomUUID()` and a formatting loop take hundreds.
 *
 * @param length - how many digits, at most 8192
 */
export function randomHex(length: number): string {
  if (position + length > hex.length) refill();
  const start = position;
  position += length;
  return hex.slice(start, position);
}
