import { ByteSink } from "../../../../src/http/http2/frame/byte-sink.ts";
import { HpackDecoder } from "../../../../src/http/http2/hpack/hpack-decoder.ts";
import type { HpackEncoder } from "../../../../src/http/http2/hpack/hpack-encoder.ts";
import { huffmanLengths } from "../../../../src/http/http2/hpack/hpack-huffman.ts";

/** Bytes written as hexadecimal digits, with spaces anywhere. */
export function hex(digits: string): Uint8Array {
  return Uint8Array.from(digits.replace(/\s/g, "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** The hexadecimal digits of bytes. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function concat(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** A string literal as it is, of up to 16 KiB. */
export function plain(text: string): Uint8Array {
  return concat(lengthOf(text.length, 0), latin1(text));
}

/** A Huffman-coded string literal of up to 16 KiB. */
export function huffman(text: string): Uint8Array {
  let bits = "";
  for (const byte of latin1(text)) bits += huffmanCodes[byte];
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  const bytes = Uint8Array.from(bits.match(/.{8}/g) ?? [], (each) => Number.parseInt(each, 2));
  return concat(lengthOf(bytes.length, 0x80), bytes);
}

function lengthOf(length: number, flag: number): number[] {
  if (length < 127) return [flag | length];
  const rest = length - 127;
  return rest < 128 ? [flag | 127, rest] : [flag | 127, (rest & 127) | 128, rest >> 7];
}

/** The code of each byte as digits 0 and 1, made bit by bit rather than by the tables under test. */
const huffmanCodes: readonly string[] = (() => {
  const codes = new Array<string>(256).fill("");
  let code = 0n;
  for (let length = 1; length <= 30; length++) {
    code *= 2n;
    for (let byte = 0; byte < 256; byte++) {
      if (huffmanLengths[byte] === length) codes[byte] = (code++).toString(2).padStart(length, "0");
    }
  }
  return codes;
})();

export function decoderOf(limits: { maxTableBytes?: number; maxListBytes?: number } = {}): HpackDecoder {
  return new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 64 * 1024, ...limits });
}

export function decode(decoder: HpackDecoder, block: Uint8Array): string[] {
  return decoder.decode(block, 0, block.length);
}

export function encode(encoder: HpackEncoder, fields: readonly string[]): Uint8Array {
  const sink = new ByteSink(1);
  encoder.encode(fields, sink);
  return sink.bytes.slice(0, sink.length);
}
