import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RepeatedStrings } from "../../../../src/http/http2/hpack/hpack-repeats.ts";
import { seededRandom } from "../../../support/random.ts";
import { concat, decode, decoderOf, huffman, latin1, plain } from "./hpack-fixture.ts";

describe("RepeatedStrings", () => {
  const bytes = latin1(`...${"token".repeat(20)}...`);
  const end = bytes.length - 3;

  it("gives back what came twice", () => {
    const strings = new RepeatedStrings();
    for (const known of [undefined, undefined, "text", "text"]) {
      assert.equal(strings.find(bytes, 3, end, true), known);
      if (known === undefined) strings.add(bytes, 3, end, "text");
    }
    assert.equal(strings.find(bytes, 3, end, false), undefined);
    assert.equal(strings.find(bytes, 3, end - 1, true), undefined);
  });

  it("keeps neither short strings nor very long ones", () => {
    assert.deepEqual([63, 64, 4096, 4097].map(RepeatedStrings.takes), [false, true, true, false]);
  });
});

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
      const buffer = new Uint8Array(1000);
      // Alike where a hash might look: in the middle and at the end.
      const alike = ["D", "E", "F"].map((letter) => letter + "x".repeat(400));
      const values = [...tokens, ...alike];
      for (let round = 0; round < 500; round++) {
        const value = values[Math.floor(random() * values.length)]!;
        const block = secret(coded(value));
        // One buffer for all: what is remembered must not lie in it.
        buffer.set(block);
        assert.deepEqual(decoder.decode(buffer, 0, block.length), ["authorization", value]);
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
