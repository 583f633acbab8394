import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../support/random.ts";
import { concat, decode, decoderOf, huffman, plain } from "./hpack-fixture.ts";

describe("a long literal that comes again", () => {
  const tokens = ["A", "B", "C"].map((letter) => `Bearer ${letter.repeat(200)}-${letter.repeat(300)}`);
  const secret = (string: Uint8Array): Uint8Array => concat([0x1f, 0x08], string);

  for (const [how, coded] of [
    ["plain", plain],
    ["Huffman-coded", huffman],
  ] as const) {
    it(`is what was sent, ${how}, whatever came in between`, () => {
      const decoder = decoderOf();
      const random = seededRandom(11);
      // Alike where a hash might look: in the middle and at the end.
      const alike = ["D", "E", "F"].map((letter) => letter + "x".repeat(400));
      const values = [...tokens, ...alike];
      for (let round = 0; round < 500; round++) {
        const value = values[Math.floor(random() * values.length)]!;
        const block = secret(coded(value));
        assert.deepEqual(decode(decoder, block), ["authorization", value]);
        block.fill(0x61);
      }
    });
  }

  it("is told apart from the same bytes in the other coding", () => {
    const decoder = decoderOf();
    const coded = huffman("a".repeat(128));
    const same = concat([coded[0]! & 0x7f], coded.subarray(1));
    const raw = String.fromCharCode(...coded.subarray(1));
    for (let round = 0; round < 4; round++) {
      assert.deepEqual(decode(decoder, secret(coded)), ["authorization", "a".repeat(128)]);
      assert.deepEqual(decode(decoder, secret(same)), ["authorization", raw]);
    }
  });
});
