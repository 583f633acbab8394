import { frameFlag, Http2Error, h2, maxInt31, readUint32 } from "../frame/frame-types.ts";
import { HpackDecoder } from "../hpack/hpack-decoder.ts";
import { HpackError } from "../hpack/hpack-error.ts";
import type { Fields } from "../streams/stream.ts";

/** Encoded bytes of a block that are gathered at most, whatever the list may hold. */
const maxBlockBytes = 256 * 1024;
/** CONTINUATION frames of one block: a flood of empty ones costs the peer next to nothing. */
const maxContinuations = 64;

/** Puts header blocks together from HEADERS and CONTINUATION frames, and decodes them. */
export class HeaderBlocks {
  readonly #decoder: HpackDecoder;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** The stream whose block is not complete; 0 when there is none. */
  openId = 0;
  /** How many blocks have not been complete at once. */
  #pieced = 0;
  /** Whether the stream ends with the block. */
  ended = false;

  constructor(maxListBytes: number) {
    this.#decoder = new HpackDecoder({ maxTableBytes: 4_096, maxListBytes });
  }

  /** A number of the block that is not complete, below 0; 0 when there is none. */
  get open(): number {
    return this.openId === 0 ? 0 : -this.#pieced;
  }

  /** Whether the last block was longer than it may be. */
  get overflowed(): boolean {
    return this.#decoder.overflowed;
  }

  /** Whether the last block held a name or a value that HTTP/2 forbids. */
  get malformed(): boolean {
    return this.#decoder.malformed;
  }

  /** The payload of HEADERS; the fields when the block is complete with it. */
  begin(id: number, flags: number, bytes: Uint8Array, from: number, to: number): Fields | undefined {
    let start = from;
    let end = to;
    if ((flags & frameFlag.padded) !== 0) {
      if (start >= end) throw new Http2Error(h2.frameSizeError, "HEADERS too short for its padding");
      end -= bytes[start]!;
      start += 1;
    }
    if ((flags & frameFlag.priority) !== 0) {
      if (end - start < 5) throw new Http2Error(h2.frameSizeError, "HEADERS too short for its priority");
      if ((readUint32(bytes, start) & maxInt31) === id) {
        throw new Http2Error(h2.protocolError, `stream ${id} depends on itself`);
      }
      start += 5;
    }
    if (end < start) throw new Http2Error(h2.protocolError, "HEADERS with more padding than payload");
    this.ended = (flags & frameFlag.endStream) !== 0;
    if ((flags & frameFlag.endHeaders) !== 0) return this.#decode(bytes, start, end);
    this.openId = id;
    this.#pieced++;
    this.#parts = [bytes.slice(start, end)];
    this.#bytes = end - start;
    return undefined;
  }

  /** The payload of CONTINUATION. */
  more(flags: number, bytes: Uint8Array, start: number, end: number): Fields | undefined {
    this.#bytes += end - start;
    if (this.#parts.length > maxContinuations || this.#bytes > maxBlockBytes) {
      throw new Http2Error(h2.enhanceYourCalm, "a header block of too many pieces");
    }
    this.#parts.push(bytes.slice(start, end));
    if ((flags & frameFlag.endHeaders) === 0) return undefined;
    const block = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      block.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.openId = 0;
    return this.#decode(block, 0, block.length);
  }

  #decode(bytes: Uint8Array, start: number, end: number): Fields {
    try {
      return this.#decoder.decode(bytes, start, end);
    } catch (error) {
      if (error instanceof HpackError) throw new Http2Error(h2.compressionError, error.message);
      throw error;
    }
  }
}
