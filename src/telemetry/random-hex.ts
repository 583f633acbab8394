/** Bytes fetched from the platform at once; a call to it costs far more than the bytes do. */
const blockBytes = 4096;

const encoder = new TextEncoder();
const digits = encoder.encode("0123456789abcdef");
const digit0 = 0x30;
/** Stands for a random digit in a {@link randomTexts} pattern. */
const placeholder = 0x78;

/**
 * Makes texts of a pattern, in which every `x` is a cryptographically random lower-case hex digit.
 *
 * Many are made at once, as one text that each is cut from: a new one costs some ten nanoseconds and no copying,
 * where `crypto.randomUUID()` or putting one together costs hundreds. What is cut off keeps its block (about
 * 10 kB) alive.
 *
 * @param pattern - ASCII; no run of `x` comes out as all zeros, because trace and span ids must not
 */
export function randomTexts(pattern: string): () => string {
  const template = encoder.encode(pattern);
  const { length } = template;
  const nibbles = template.filter((character) => character === placeholder).length;
  const count = Math.floor((blockBytes * 2) / nibbles);
  let block = "";
  let position = 0;

  // The first time inside a request: edge platforms forbid randomness at module scope.
  function refill(): void {
    const random = crypto.getRandomValues(new Uint8Array(blockBytes));
    const text = new Uint8Array(length * count);
    for (let start = 0, nibble = 0; start < text.length; start += length) {
      let zeros = true;
      for (let index = 0; index < length; index++) {
        const character = template[index]!;
        if (character !== placeholder) {
          text[start + index] = character;
          continue;
        }
        if (index === 0 || template[index - 1] !== placeholder) zeros = true;
        const byte = random[nibble >> 1]!;
        const digit = digits[nibble & 1 ? byte & 15 : byte >> 4]!;
        nibble++;
        zeros &&= digit === digit0;
        text[start + index] = zeros && template[index + 1] !== placeholder ? digit0 + 1 : digit;
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
