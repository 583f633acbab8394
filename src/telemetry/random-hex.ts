/** Bytes fetched from the platform at once; a call to it costs far more than the bytes do. */
const blockBytes = 4096;

const encoder = new TextEncoder();
const digits = encoder.encode("0123456789abcdef");
/** The digits of each byte, as character codes. */
const highDigits = Uint8Array.from({ length: 256 }, (_, byte) => digits[byte >> 4]!);
const lowDigits = Uint8Array.from({ length: 256 }, (_, byte) => digits[byte & 15]!);
const digit1 = 0x31;

/**
 * Makes texts of a pattern, in which every `x` is a cryptographically random lower-case hex digit.
 *
 * Many are made at once, as one text that each is cut from: a new one costs some ten nanoseconds and no copying,
 * where `crypto.randomUUID()` or putting one together costs hundreds. What is cut off keeps its block (about
 * 10 kB) alive.
 *
 * @param pattern - ASCII, with at least one `x`; no run of `x` comes out as all zeros, because trace and span ids must not
 */
export function randomTexts(pattern: string): () => string {
  const template = encoder.encode(pattern);
  const { length } = template;
  const runs = [...pattern.matchAll(/x+/g)].map(({ index, 0: { length } }) => ({ index, length }));
  const bytesPerText = runs.reduce((sum, run) => sum + Math.ceil(run.length / 2), 0);
  const count = Math.floor(blockBytes / bytesPerText);
  let block = "";
  let position = 0;

  // The first time inside a request: edge platforms forbid randomness at module scope.
  function refill(): void {
    const random = crypto.getRandomValues(new Uint8Array(blockBytes));
    const text = new Uint8Array(length * count);
    let used = 0;
    for (let start = 0; start < text.length; start += length) {
      text.set(template, start);
      for (const run of runs) {
        const end = start + run.index + run.length;
        let seen = 0;
        for (let at = start + run.index; at < end; at += 2) {
          const byte = random[used++]!;
          text[at] = highDigits[byte]!;
          // Of the last byte of an odd run only one digit has a place.
          if (at + 1 === end) seen |= byte >> 4;
          else {
            text[at + 1] = lowDigits[byte]!;
            seen |= byte;
          }
        }
        if (seen === 0) text[end - 1] = digit1;
      }
    }
    block = new TextDecoder().decode(text);
    position = 0;
  }

  return function randomText() {
    if (position >= block.length) refill();
    const start = position;
    position += length;
    return block.slice(start, position);
  };
}
