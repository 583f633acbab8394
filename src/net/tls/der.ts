/** One element of a DER encoding: its tag byte and its content. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** Tags of the universal types that certificates are made of. */
export const derTag = {
  boolean: 0x01,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  t61String: 0x14,
  bmpString: 0x1e,
} as const;

/**
 * Splits a DER encoding into the elements at its top level.
 *
 * @throws RangeError when a length runs over the end or a form is used that DER forbids
 */
export function derElements(bytes: Uint8Array): DerElement[] {
  const elements: DerElement[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at]!;
    let length = bytes[at + 1] ?? -1;
    at += 2;
    if (length > 0x80 && length <= 0x84) {
      const end = at + (length & 0x7f);
      length = 0;
      while (at < end) length = length * 256 + (bytes[at++] ?? Number.NaN);
    } else if (length > 0x7f) {
      length = -1;
    }
    if (!(length >= 0 && at + length <= bytes.length)) {
      throw new RangeError(`Cannot read DER: the length of the element at byte ${at} is wrong`);
    }
    elements.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return elements;
}

/** Writes an object identifier with dots: `2.5.29.17`. */
export function oidFromDer(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      if (arcs.length === 0) {
        const root = Math.min(Math.floor(arc / 40), 2);
        arcs.push(root, arc - root * 40);
      } else {
        arcs.push(arc);
      }
      arc = 0;
    }
  }
  return arcs.join(".");
}

// A byte order mark is part of the name: without it, one name would pass for another.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const utf16 = new TextDecoder("utf-16be", { ignoreBOM: true });

/**
 * Reads the ASN.1 string types that names are made of. Those of one byte a character are read as UTF-8, of which ASCII
 * is a part, but for the oldest (T61String), in which certificates have Latin-1.
 */
export function textFromDer({ tag, content }: DerElement): string {
  if (tag === derTag.t61String) return Array.from(content, (byte) => String.fromCharCode(byte)).join("");
  return (tag === derTag.bmpString ? utf16 : utf8).decode(content);
}
