import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteSink } from "../../../../src/http/http2/frame/byte-sink.ts";
import { HpackEncoder } from "../../../../src/http/http2/hpack/hpack-encoder.ts";
import { seededRandom } from "../../../support/random.ts";
import { decode, decoderOf, encode, hexOf, plain } from "./hpack-fixture.ts";

/** How a block writes its only field. */
function kindOf(block: Uint8Array): string {
  const first = block[0]!;
  if (first >= 0x80) return "index";
  if (first >= 0x40) return "indexed literal";
  return first >= 0x10 ? "hidden literal" : "literal";
}

/** How one field is written when it is sent time after time, with the same value or with these. */
function kindsOf(name: string, ...values: readonly string[]): string[] {
  const encoder = new HpackEncoder();
  const decoder = decoderOf();
  return values.map((value) => {
    const block = encode(encoder, [name, value]);
    assert.deepEqual(decode(decoder, block), [name, value]);
    return kindOf(block);
  });
}

const token = `Bearer ${"t".repeat(600)}`;

describe("HpackEncoder", () => {
  it("writes the requests of RFC 7541, C.3, as the RFC does", () => {
    const encoder = new HpackEncoder();
    const request = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"];
    assert.equal(hexOf(encode(encoder, request)), "828684410f7777772e6578616d706c652e636f6d");
    assert.equal(
      hexOf(encode(encoder, [...request, "cache-control", "no-cache"])),
      "828684be58086e6f2d6361636865",
    );
    const third = [
      ":method",
      "GET",
      ":scheme",
      "https",
      ":path",
      "/index.html",
      ":authority",
      "www.example.com",
    ];
    assert.equal(
      hexOf(encode(encoder, [...third, "custom-key", "custom-value"])),
      "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    );
  });

  it("writes a call that is repeated in a byte a field, but for what is new", () => {
    const encoder = new HpackEncoder();
    const decoder = decoderOf();
    const call = (timeout: string): string[] => [
      ...[":method", "POST", ":scheme", "http", ":path", "/pkg.Service/Method", ":authority", "a:80"],
      ...["te", "trailers", "content-type", "application/grpc+proto", "user-agent", "mesh"],
      ...["grpc-timeout", timeout, "authorization", token],
    ];
    for (let index = 0; index < 3; index++) {
      const fields = call(`${index}m`);
      assert.deepEqual(decode(decoder, encode(encoder, fields)), fields);
    }
    const fourth = encode(encoder, call("9m"));
    assert.deepEqual(decode(decoder, fourth), call("9m"));
    // 8 indexed fields; the timeout is a name's index of 2 bytes, a length, and 2 characters.
    assert.equal(fourth.length, 8 + 2 + 1 + 2);
  });

  it("appends to what the sink holds", () => {
    const sink = new ByteSink(2);
    sink.ensure(3);
    sink.bytes.set([1, 2, 3]);
    sink.length = 3;
    new HpackEncoder().encode([":method", "GET", "a", "x".repeat(500)], sink);
    assert.deepEqual([...sink.bytes.subarray(0, 4)], [1, 2, 3, 0x82]);
    assert.equal(sink.length, 4 + 1 + 2 + 3 + 500);
  });

  it("makes room for all fields after a literal", () => {
    for (let length = 300; length < 400; length++) {
      const fields = [
        "a",
        "x".repeat(length),
        ...Array.from({ length: 40 }, () => [":method", "GET"]).flat(),
      ];
      assert.deepEqual(decode(decoderOf(), encode(new HpackEncoder(), fields)), fields);
    }
  });

  it("knows the fields of the static table that have a value", () => {
    const fields: readonly (readonly [number, string, ...string[]])[] = [
      [2, ":method", "GET", "POST"],
      [4, ":path", "/", "/index.html"],
      [6, ":scheme", "http", "https"],
      [8, ":status", "200", "204", "206", "304", "400", "404", "500"],
      [16, "accept-encoding", "gzip, deflate"],
    ];
    for (const [first, name, ...values] of fields) {
      for (const [offset, value] of values.entries()) {
        assert.deepEqual([...encode(new HpackEncoder(), [name, value])], [0x80 + first + offset]);
        assert.deepEqual(decode(decoderOf(), Uint8Array.of(0x80 + first + offset)), [name, value]);
      }
    }
  });

  it("writes numbers of any length", () => {
    for (const length of [126, 127, 128, 254, 255, 16_000, 17_000, 300_000]) {
      const fields = ["a", "x".repeat(length)];
      assert.deepEqual(decode(decoderOf({ maxListBytes: 1e6 }), encode(new HpackEncoder(), fields)), fields);
    }
  });

  it("takes all of latin1, and writes nothing at all for what it cannot write", () => {
    const encoder = new HpackEncoder();
    const decoder = decoderOf();
    const fine = ["a", "1", "b", "~\t \u0080é\u00ff"];
    assert.deepEqual(decode(decoder, encode(encoder, fine)), fine);
    for (const [bad, code] of [
      ["10 €", "20AC"],
      ["a\r\nb: c", "000D"],
      ["a\nb", "000A"],
      ["a\u0000", "0000"],
      ["a\u001f", "001F"],
      ["\u007f", "007F"],
      ["😀", "D83D"],
    ]) {
      const sink = new ByteSink(8);
      sink.length = 3;
      // "new" is in the encoder's table when it finds the value that it cannot write; the peer never hears of it.
      const fields = ["new", `${code}`, "x-price", bad!];
      assert.throws(() => encoder.encode(fields, sink), {
        name: "TypeError",
        message: new RegExp(`^Cannot send the header "x-price": U\\+${code} `),
      });
      assert.equal(sink.length, 3);
      for (let round = 0; round < 2; round++) {
        const next = [...fine, "new", `${code}`];
        assert.deepEqual(decode(decoder, encode(encoder, next)), next);
      }
    }
    assert.throws(() => encode(encoder, ["näme€", "1"]), /Cannot send the header "näme€": U\+20AC/);
  });

  it("writes no name that HTTP/2 forbids, however often it is asked", () => {
    const encoder = new HpackEncoder();
    for (const name of ["", "X-Y", "x y", "x:y", "é", "connection", "transfer-encoding", "keep-alive"]) {
      for (let round = 0; round < 2; round++) {
        assert.throws(() => encode(encoder, ["a", "1", name, "1"]), {
          name: "TypeError",
          message: `Cannot send the header ${JSON.stringify(name)}: HTTP/2 allows no such name, write it in lower case and leave fields of the connection out`,
        });
      }
    }
  });

  it("leaves out the blanks around a value, and knows it again", () => {
    const encoder = new HpackEncoder();
    const decoder = decoderOf();
    const sizes = [" a\tb ", "a\tb", "\ta\tb"].map((value) => {
      const block = encode(encoder, ["x", value]);
      assert.deepEqual(decode(decoder, block), ["x", "a\tb"]);
      return block.length;
    });
    assert.deepEqual(sizes, [7, 1, 1]);
    assert.deepEqual(decode(decoder, encode(encoder, ["x", " \t "])), ["x", ""]);
  });
});

describe("what the encoder puts into the table", () => {
  it("takes what repeats at once", () => {
    assert.deepEqual(kindsOf("content-type", "a/b", "a/b", "c/d", "a/b", "c/d"), [
      ...["indexed literal", "index", "indexed literal", "index", "index"],
    ]);
    assert.deepEqual(kindsOf("x-custom", "1", "1"), ["indexed literal", "index"]);
    assert.deepEqual(kindsOf(":path", "/a.B/C", "/a.B/C"), ["indexed literal", "index"]);
  });

  it("takes tokens and dates when they come twice in a row", () => {
    for (const name of ["authorization", "date", "cookie", "x-long"]) {
      const values = [token.slice(0, 300), token.slice(0, 301)] as const;
      assert.deepEqual(
        kindsOf(name, values[0], values[1], values[0], values[0], values[1], values[0]),
        ["literal", "literal", "literal", "indexed literal", "literal", "index"],
        name,
      );
    }
  });

  it("takes the name alone of what is new on every call", () => {
    for (const name of ["grpc-timeout", "traceparent", "tracestate", "x-request-id"]) {
      assert.deepEqual(kindsOf(name, "1", "2", "2"), ["indexed literal", "literal", "literal"], name);
    }
    for (const name of ["content-length", "age"])
      assert.deepEqual(kindsOf(name, "1", "1"), ["literal", "literal"]);
  });

  it("leaves queries and values over 1 KiB out", () => {
    assert.deepEqual(kindsOf(":path", "/a?b=1", "/a?b=1"), ["literal", "literal"]);
    const long = "x".repeat(1025);
    assert.deepEqual(kindsOf("content-type", long, long, long), ["literal", "literal", "literal"]);
    assert.deepEqual(kindsOf("x-custom", long, long, long), ["literal", "literal", "literal"]);
  });

  it("hides short secrets", () => {
    for (const name of ["authorization", "cookie", "proxy-authorization", "set-cookie"]) {
      assert.deepEqual(kindsOf(name, "pin=1234", "pin=1234", "pin=1234"), [
        ...["hidden literal", "hidden literal", "hidden literal"],
      ]);
    }
  });

  it("keeps to 4096 bytes", () => {
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(65_536);
    const decoder = decoderOf();
    for (let index = 0; index < 3000; index++) {
      const fields = ["content-type", "a/b", `x-${index % 200}`, `value ${index % 7}`];
      assert.deepEqual(decode(decoder, encode(encoder, fields)), fields);
    }
  });
});

describe("the size of the encoder's table", () => {
  it("is told at the start of the next block, once", () => {
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(4096);
    assert.equal(hexOf(encode(encoder, [":method", "GET"])), "82");
    encoder.setMaxTableBytes(100);
    assert.equal(hexOf(encode(encoder, [":method", "GET"])), "3f4582");
    assert.equal(hexOf(encode(encoder, [":method", "GET"])), "82");
    encoder.setMaxTableBytes(0);
    assert.equal(hexOf(encode(encoder, [])), "20");
    encoder.setMaxTableBytes(1_000_000);
    assert.equal(hexOf(encode(encoder, [])), "3fe11f");
  });

  it("is told with the smallest one in between, which has evicted", () => {
    const encoder = new HpackEncoder();
    const decoder = decoderOf();
    const fields = ["a", "1", "b", "2"];
    decode(decoder, encode(encoder, fields));
    encoder.setMaxTableBytes(500);
    encoder.setMaxTableBytes(34);
    encoder.setMaxTableBytes(200);
    const block = encode(encoder, ["b", "2", "a", "1"]);
    assert.equal(hexOf(block), `3f033fa901be40${hexOf(plain("a"))}${hexOf(plain("1"))}`);
    assert.deepEqual(decode(decoder, block), ["b", "2", "a", "1"]);
  });

  it("may be nothing", () => {
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(0);
    const decoder = decoderOf();
    for (let round = 0; round < 3; round++) {
      const fields = [":status", "200", "content-type", "a/b", "x-custom", "1", "grpc-timeout", "1m"];
      assert.deepEqual(decode(decoder, encode(encoder, fields)), fields);
    }
  });
});

describe("what is encoded is what is decoded", () => {
  const names = [
    ...[":path", ":status", ":authority", "content-type", "date", "cookie", "set-cookie", "authorization"],
    ...["grpc-timeout", "traceparent", "content-length", "x-a", "x-b", "x-c", "a", "accept-encoding"],
  ];
  for (const seed of [1, 2, 3, 4]) {
    it(`for random fields, sizes of the table and values that cannot be sent (seed ${seed})`, () => {
      const random = seededRandom(seed);
      const below = (limit: number): number => Math.floor(random() * limit);
      const values = Array.from({ length: 60 }, () => {
        const length = below(6) === 0 ? below(1500) : below(40);
        return Array.from({ length }, () => String.fromCharCode(0x20 + below(0xe0)))
          .join("")
          .replaceAll("\x7f", "~")
          .trim();
      });
      const encoder = new HpackEncoder();
      const decoder = decoderOf({ maxListBytes: 1e6 });
      for (let round = 0; round < 1500; round++) {
        if (below(40) === 0) encoder.setMaxTableBytes(below(3) === 0 ? below(5000) : below(400));
        const fields = Array.from({ length: below(8) }, () => [
          below(10) === 0 ? `x-${below(500)}` : names[below(names.length)]!,
          values[below(values.length)]!,
        ]).flat();
        if (below(30) === 0) assert.throws(() => encode(encoder, [...fields, "x-bad", "\n"]), TypeError);
        const sent = encode(encoder, fields);
        assert.deepEqual(decode(decoder, sent), fields);
      }
    });
  }
});
