import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readProxyHeader } from "../../../src/net/listen/proxy-header.ts";

const encoder = new TextEncoder();
const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const ports = [0x12, 0x67, 0x01, 0xbb];

/** A header of version 2. */
function v2(
  command: number,
  family: number,
  addresses: readonly number[],
  length = addresses.length,
): Uint8Array {
  return new Uint8Array([...signature, 0x20 | command, family, length >> 8, length & 255, ...addresses]);
}

const v1 = (line: string): Uint8Array => encoder.encode(`${line}\r\n`);
const client6 = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

describe("a header of the PROXY protocol", () => {
  for (const [what, header, address] of [
    ["version 1, IPv4", v1("PROXY TCP4 203.0.113.7 10.0.0.1 4711 443"), "203.0.113.7"],
    ["version 1, IPv6", v1("PROXY TCP6 2001:db8::7 fd00::1 4711 443"), "2001:db8::7"],
    ["version 1, unknown", v1("PROXY UNKNOWN"), undefined],
    ["version 1, unknown with addresses", v1("PROXY UNKNOWN ffff::1 ffff::2 1 2"), undefined],
    ["version 2, IPv4", v2(1, 0x11, [203, 0, 113, 7, 10, 0, 0, 1, ...ports]), "203.0.113.7"],
    ["version 2, IPv6", v2(1, 0x21, [...client6, ...new Array<number>(16).fill(1), ...ports]), "2001:db8::7"],
    ["version 2, with more", v2(1, 0x11, [203, 0, 113, 7, 10, 0, 0, 1, ...ports, 4, 0, 1, 0]), "203.0.113.7"],
    ["version 2, the proxy's own", v2(0, 0x00, []), undefined],
    ["version 2, a Unix socket", v2(1, 0x31, new Array<number>(216).fill(0)), undefined],
  ] as const) {
    it(`is read in ${what}, however it arrives, up to its last byte`, () => {
      for (let length = 0; length < header.length; length++) {
        assert.equal(readProxyHeader(header.subarray(0, length)), undefined);
      }
      const followed = new Uint8Array([...header, ...encoder.encode("GET / HTTP/1.1\r\n")]);
      for (const bytes of [header, followed]) {
        assert.deepEqual(readProxyHeader(bytes), { bytes: header.length, address });
      }
    });
  }

  for (const [what, bytes, why] of [
    ["a request", encoder.encode("GET / HTTP/1.1\r\n"), /none of the PROXY protocol/],
    ["a line without end", encoder.encode("PROXY TCP4 ".padEnd(200, "1")), /too long/],
    ["another family", v1("PROXY UDP4 1.2.3.4 1.2.3.4 1 2"), /none of the PROXY protocol/],
    ["no address", v1("PROXY TCP4 1.2.3.999 10.0.0.1 1 2"), /names no address/],
    ["the address of another family", v1("PROXY TCP4 fd00::1 fd00::2 1 2"), /names no address/],
    ["too few fields", v1("PROXY TCP4 1.2.3.4 10.0.0.1 1"), /none of the PROXY protocol/],
    ["a line of spaces", v1("PROXY  TCP4 1.2.3.4 10.0.0.1 1 2"), /none of the PROXY protocol/],
    ["a version to come", new Uint8Array([...signature, 0x31, 0x11, 0, 0]), /unknown version/],
    ["an unknown command", v2(2, 0x11, new Array<number>(12).fill(1)), /unknown version/],
    ["a length past all reason", v2(1, 0x11, [], 65_535), /too long/],
  ] as const) {
    it(`is none when it is ${what}`, () => {
      assert.throws(() => readProxyHeader(bytes), why);
    });
  }
});
