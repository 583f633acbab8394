import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HpackError } from "../../../../src/http/http2/hpack/hpack-error.ts";
import { seededRandom } from "../../../support/random.ts";
import { concat, decode, decoderOf, hex, huffman, latin1, plain } from "./hpack-fixture.ts";

const example = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"];
const requests = [
  example,
  [...example, "cache-control", "no-cache"],
  [
    ...[":method", "GET", ":scheme", "https", ":path", "/index.html", ":authority", "www.example.com"],
    ...["custom-key", "custom-value"],
  ],
];
const responseOf = (status: string, second: number): string[] => [
  ...[":status", status, "cache-control", "private", "date", `Mon, 21 Oct 2013 20:13:${second} GMT`],
  ...["location", "https://www.example.com"],
];
const setCookie = ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"];
const responses = [
  responseOf("302", 21),
  responseOf("307", 21),
  [...responseOf("200", 22), "content-encoding", "gzip", ...setCookie],
];

describe("the examples of RFC 7541, Appendix C", () => {
  interface Series {
    readonly maxTableBytes: number;
    readonly blocks: readonly string[];
    readonly lists: readonly string[][];
    /** What the table holds in the end, the newest first. */
    readonly table: readonly string[];
  }

  function runSeries({ maxTableBytes, blocks, lists, table }: Series): void {
    const decoder = decoderOf({ maxTableBytes });
    for (const [index, block] of blocks.entries()) {
      assert.deepEqual(decode(decoder, hex(block)), lists[index]);
      assert.equal(decoder.overflowed, false);
    }
    assert.deepEqual(decode(decoder, hex("be bf c0")), table);
    assert.throws(() => decode(decoder, hex("c1")), /index 65, the table ends at 64/);
  }

  const ofRequests = {
    maxTableBytes: 4096,
    lists: requests,
    table: ["custom-key", "custom-value", "cache-control", "no-cache", ":authority", "www.example.com"],
  };
  const ofResponses = {
    maxTableBytes: 256,
    lists: responses,
    table: [...setCookie, "content-encoding", "gzip", "date", "Mon, 21 Oct 2013 20:13:22 GMT"],
  };

  it("C.2: every kind of field", () => {
    for (const [block, fields] of [
      ["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", ["custom-key", "custom-header"]],
      ["040c 2f73 616d 706c 652f 7061 7468", [":path", "/sample/path"]],
      ["1008 7061 7373 776f 7264 0673 6563 7265 74", ["password", "secret"]],
      ["82", [":method", "GET"]],
    ] as const) {
      const decoder = decoderOf();
      assert.deepEqual(decode(decoder, hex(block)), fields);
      if (block.startsWith("40")) assert.deepEqual(decode(decoder, hex("be")), fields);
      else assert.throws(() => decode(decoder, hex("be")), HpackError);
    }
  });

  it("C.3: requests on one connection", () => {
    const blocks = [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    runSeries({ ...ofRequests, blocks });
  });

  it("C.4: the same, Huffman-coded", () => {
    const blocks = [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    runSeries({ ...ofRequests, blocks });
  });

  it("C.5: responds with a table of 256 bytes, which evicts", () => {
    const blocks = [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
       3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      "4803 3330 37c1 c0bf",
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
       7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
       6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
    ];
    runSeries({ ...ofResponses, blocks });
  });

  it("C.6: the same, Huffman-coded", () => {
    const blocks = [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
       1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      "4883 640e ffc1 c0bf",
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
       e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ];
    runSeries({ ...ofResponses, blocks });
  });
});

describe("HpackDecoder", () => {
  it("reads a part of a larger buffer", () => {
    const buffer = concat([0xff, 0xff], hex("82 84"), [0xff]);
    assert.deepEqual(decoderOf().decode(buffer, 2, 4), [":method", "GET", ":path", "/"]);
    assert.deepEqual(decoderOf().decode(buffer, 2, 2), []);
  });

  it("takes values as latin1, short and long ones", () => {
    for (const length of [0, 1, 2, 3, 4, 7, 8, 9, 23, 24, 25, 100, 5000]) {
      for (const letter of ["a", "é", "\u0080", "\u00ff"]) {
        const value = "x".repeat(length) + letter;
        for (const string of [plain(value), huffman(value)]) {
          assert.deepEqual(decode(decoderOf(), concat([0], plain("name"), string)), ["name", value]);
        }
      }
    }
  });

  const malformed: readonly (readonly [string, string, RegExp])[] = [
    ["index 0", "80", /a field has index 0/],
    ["an index beyond an empty table", "be", /index 62, the table ends at 61/],
    ["a name's index beyond the table", "7f 00 01 61", /index 63, the table ends at 61/],
    ["a never-indexed name's index beyond the table", "1f 2f 01 61", /index 62/],
    ["a number that the block cuts off", "ff 80", /ends within a number/],
    ["a number's prefix at the end", "7f", /ends within a number/],
    ["a number above 2^31", "ff ff ff ff ff 7f", /number \d+ is too large/],
    ["a number that never ends", "ff 80 80 80 80 80 80 80 80 01", /longer than 6 bytes/],
    ["a literal without its name", "40", /where a string should start/],
    ["a literal without its value", "00 01 61", /where a string should start/],
    ["a string that the block cuts off", "00 05 61 62", /string of 5 bytes starts 2 bytes before/],
    ["a string of 2 GiB", "00 7f 80 ff ff ff 07", /string of 2147483647 bytes/],
    ["a Huffman-coded string cut off", "00 85 61", /string of 5 bytes starts 1 bytes before/],
    ["a table above the limit", "3f e2 1f", /size becomes 4097, more than the 4096 allowed/],
    ["a table's size after a field", "82 20", /size changes after a field/],
    ["EOS", "00 84 ff ff ff ff 00", /contains EOS/],
    ["EOS among more", "00 86 1f ff ff ff ff ff 00", /contains EOS/],
    ["8 bits of padding", "00 81 ff 00", /more than 7 bits/],
    ["11 bits of padding after a letter", "00 82 1f ff 00", /more than 7 bits/],
    ["padding with a zero", "00 81 1e 00", /ends within a code/],
    ["padding of zeros", "00 81 00 00", /ends within a code/],
    ["a code cut off", "00 83 ff ff 80 00", /ends within a code/],
  ];
  for (const [what, block, message] of malformed) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => decode(decoderOf(), hex(block)),
        (error) => {
          assert.ok(error instanceof HpackError, String(error));
          assert.match(error.message, /^Cannot decode a header block: /);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  it("takes numbers that end with zeros for no reason", () => {
    assert.throws(() => decode(decoderOf(), hex("ff 80 80 80 80 00")), /index 127, the table ends at 61/);
    const name = "a".repeat(129);
    assert.deepEqual(decode(decoderOf(), concat(hex("00 7f 82 80 00"), latin1(name), [0])), [name, ""]);
  });

  it("evicts the oldest entries first, and may refer to one that the new entry drives out", () => {
    const decoder = decoderOf({ maxTableBytes: 3 * 34 });
    decode(
      decoder,
      concat([0x40], plain("a"), plain("1"), [0x40], plain("b"), plain("2"), [0x40], plain("c"), plain("3")),
    );
    assert.deepEqual(decode(decoder, hex("be bf c0")), ["c", "3", "b", "2", "a", "1"]);
    // Name of "a", the oldest, which this very insertion evicts.
    assert.deepEqual(decode(decoder, concat([0x7f, 0x01], plain("4"))), ["a", "4"]);
    assert.deepEqual(decode(decoder, hex("be bf c0")), ["a", "4", "c", "3", "b", "2"]);
    assert.throws(() => decode(decoder, hex("c1")), HpackError);
  });

  it("empties the table for an entry that is larger than it", () => {
    const decoder = decoderOf({ maxTableBytes: 100 });
    decode(decoder, concat([0x40], plain("a"), plain("1")));
    assert.deepEqual(decode(decoder, concat([0x40], plain("b"), plain("x".repeat(100)))), [
      "b",
      "x".repeat(100),
    ]);
    assert.throws(() => decode(decoder, hex("be")), HpackError);
  });

  it("follows the table's size down and up", () => {
    const decoder = decoderOf();
    const put = (name: string): Uint8Array => concat([0x40], plain(name), plain("1"));
    decode(decoder, concat(put("a"), put("b"), put("c")));
    // To 68 bytes, two entries, then to 4096 again: what was evicted stays so.
    assert.deepEqual(decode(decoder, hex("3f 25 3f e1 1f be bf")), ["c", "1", "b", "1"]);
    decode(decoder, put("d"));
    assert.deepEqual(decode(decoder, hex("be bf c0")), ["d", "1", "c", "1", "b", "1"]);
    assert.throws(() => decode(decoder, hex("c1")), HpackError);
  });

  it("has no room at size 0", () => {
    const decoder = decoderOf();
    const put = (name: string): Uint8Array => concat([0x40], plain(name), plain("1"));
    decode(decoder, put("d"));
    assert.deepEqual(decode(decoder, hex("20")), []);
    assert.deepEqual(decode(decoder, put("e")), ["e", "1"]);
    assert.throws(() => decode(decoder, hex("be")), HpackError);
  });

  it("holds as many small entries as fit", () => {
    const decoder = decoderOf();
    for (let index = 0; index < 1000; index++) {
      decode(decoder, concat([0x40], plain(""), plain(String(index).padStart(3, "0"))));
    }
    const room = Math.floor(4096 / 35);
    const oldest = 61 + room;
    assert.deepEqual(decode(decoder, concat([0xff, oldest - 127])), ["", String(1000 - room)]);
    assert.throws(() => decode(decoder, concat([0xff, oldest + 1 - 127])), HpackError);
  });

  it("cuts off a list that is too long, and keeps its table in step", () => {
    const decoder = decoderOf({ maxListBytes: 3 * 34 });
    const put = (name: string): Uint8Array => concat([0x40], plain(name), huffman("1"));
    assert.deepEqual(decode(decoder, concat(put("a"), put("b"), put("c"))), ["a", "1", "b", "1", "c", "1"]);
    assert.equal(decoder.overflowed, false);
    const long = concat(put("d"), [0x40], plain("e"), plain("12"), put("f"), put("g"));
    assert.deepEqual(decode(decoder, long), ["d", "1", "e", "12"]);
    assert.equal(decoder.overflowed, true);
    assert.deepEqual(decode(decoder, hex("be bf c0")), ["g", "1", "f", "1"]);
    assert.equal(decoder.overflowed, true);
    assert.deepEqual(decode(decoder, hex("be bf c1")), ["g", "1", "f", "1", "d", "1"]);
    assert.equal(decoder.overflowed, false);
  });

  it("makes nothing of an entry that is named a thousand times", () => {
    const decoder = decoderOf();
    decode(decoder, concat([0x40], plain("bomb"), plain("x".repeat(4000))));
    const fields = decode(decoder, new Uint8Array(100_000).fill(0xbe));
    assert.equal(fields.length, 2 * Math.floor((64 * 1024) / 4036));
    assert.equal(decoder.overflowed, true);
  });

  it("still finds what is malformed behind the limit", () => {
    const decoder = decoderOf({ maxListBytes: 0 });
    assert.throws(() => decode(decoder, hex("82 80")), HpackError);
  });
});

describe("what an attacker sends", () => {
  const outcomeOf = (block: Uint8Array): void => {
    const decoder = decoderOf({ maxListBytes: 4096 });
    try {
      const fields = decode(decoder, block);
      assert.ok(fields.every((field) => typeof field === "string"));
    } catch (error) {
      assert.ok(error instanceof HpackError, String(error));
    }
  };

  it("ends in fields or in an HpackError, for random bytes", () => {
    const random = seededRandom(1);
    for (let round = 0; round < 20_000; round++) {
      outcomeOf(Uint8Array.from({ length: Math.floor(random() * 40) }, () => random() * 256));
    }
  });

  it("ends in fields or in an HpackError, for blocks with a few bytes changed", () => {
    const random = seededRandom(2);
    const valid = concat(
      hex("3f e1 1f 82 86 84 41"),
      huffman("www.example.com"),
      ...[[0x40], huffman("x-name"), plain("value"), [0x10], plain("x-secret"), huffman("~{}|\u0000")],
      ...[hex("be bf"), [0x0f, 0x08], huffman("Bearer 0123456789".repeat(8))],
    );
    for (let round = 0; round < 20_000; round++) {
      const block = valid.slice(0, round % 3 === 0 ? Math.floor(random() * valid.length) : valid.length);
      for (let change = 0; change < 3; change++) block[Math.floor(random() * block.length)] = random() * 256;
      outcomeOf(block);
    }
  });
});
