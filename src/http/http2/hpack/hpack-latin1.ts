const chars = String.fromCharCode;
const ascii = new TextDecoder();

/** From here on one call of the decoder costs less than building the text from pieces; measured on all runtimes. */
const decoderBytes = 24;

/** The text of `bytes` from `start` to `end`, one character a byte: what header fields are made of. */
export function latin1Of(bytes: Uint8Array, start: number, end: number): string {
  if (end - start >= decoderBytes && isAscii(bytes, start, end))
    return ascii.decode(bytes.subarray(start, end));
  let text = "";
  let at = start;
  // Many arguments make one flat string; single characters would each make a node of a rope.
  for (; end - at >= 8; at += 8) {
    text += chars(
      bytes[at]!,
      bytes[at + 1]!,
      bytes[at + 2]!,
      bytes[at + 3]!,
      bytes[at + 4]!,
      bytes[at + 5]!,
      bytes[at + 6]!,
      bytes[at + 7]!,
    );
  }
  if (end - at >= 4) {
    text += chars(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
    at += 4;
  }
  if (end - at === 3) return text + chars(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!);
  if (end - at === 2) return text + chars(bytes[at]!, bytes[at + 1]!);
  return end - at === 1 ? text + chars(bytes[at]!) : text;
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let seen = 0;
  for (let at = start; at < end; at++) seen |= bytes[at]!;
  return seen < 0x80;
}
