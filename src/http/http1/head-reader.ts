import { latin1Of } from "../http2/hpack/hpack-latin1.ts";
import { Http1Error } from "./http1-error.ts";
import { canBecomeHead, endOfHead } from "./request-head.ts";

const firstBytes = 1_024;
const none: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** Gathers the head of a message until its end has come. */
export class HeadReader {
  readonly #maxBytes: number;
  #bytes = none;
  #length = 0;
  /** Whether an empty line has come as far as its carriage return. */
  #halfLine = false;
  /** Where the bytes that were given last stop being part of the head. */
  next = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a head has begun to come. */
  get begun(): boolean {
    return this.#length > 0;
  }

  /** Forgets what has come. */
  clear(): void {
    this.#bytes = none;
    this.#length = 0;
  }

  /**
   * Takes bytes, and gives the head without the empty line at its end as soon as that has come.
   *
   * @throws Http1Error when it is too large, or can become no head
   */
  take(bytes: Uint8Array): string | undefined {
    let start = 0;
    if (this.#length === 0) {
      start = this.#afterEmptyLines(bytes);
      this.next = start;
      if (start === bytes.length) return undefined;
      const end = endOfHead(bytes, start, bytes.length);
      if (end !== -1 && end - start <= this.#maxBytes) {
        this.next = end + 4;
        return latin1Of(bytes, start, end);
      }
    }
    return this.#keep(bytes, start);
  }

  /** RFC 9112, section 2.2: empty lines before a request are passed over. */
  #afterEmptyLines(bytes: Uint8Array): number {
    let start = 0;
    if (this.#halfLine) {
      if (bytes[0] !== 0x0a) throw new Http1Error(400, "This is no HTTP request");
      this.#halfLine = false;
      start = 1;
    }
    while (bytes[start] === 0x0d && bytes[start + 1] === 0x0a) start += 2;
    this.#halfLine = start === bytes.length - 1 && bytes[start] === 0x0d;
    return this.#halfLine ? bytes.length : start;
  }

  #keep(bytes: Uint8Array, start: number): string | undefined {
    const before = this.#length;
    const length = Math.min(before + bytes.length - start, this.#maxBytes + 4);
    if (this.#bytes.length < length) {
      const grown = new Uint8Array(Math.max(firstBytes, length * 2));
      grown.set(this.#bytes.subarray(0, before));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes.subarray(start, start + length - before), before);
    this.#length = length;
    this.next = bytes.length;
    const end = endOfHead(this.#bytes, Math.max(0, before - 3), length);
    if (end !== -1) {
      this.next = start + end + 4 - before;
      const text = latin1Of(this.#bytes, 0, end);
      this.clear();
      return text;
    }
    if (!canBecomeHead(this.#bytes, before, length)) throw new Http1Error(400, "This is no HTTP request");
    if (length === this.#maxBytes + 4) throw new Http1Error(431, "The head is too large");
    return undefined;
  }
}

/** Bytes and the bytes behind them. */
export function joined(first: Uint8Array | undefined, second: Uint8Array): Uint8Array {
  if (first === undefined) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
