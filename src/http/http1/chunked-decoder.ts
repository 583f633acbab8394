import { Http1Error } from "./http1-error.ts";

type State =
  | "size"
  | "extension"
  | "size-lf"
  | "data"
  | "data-cr"
  | "data-lf"
  | "trailer"
  | "trailer-lf"
  | "done";

/** A size has no more digits than a number can hold exactly. */
const maxSizeDigits = 13;
/** What may come besides data: 16 KiB in all and 16 bytes for each chunk. A stream of one-byte chunks with long extensions is an attack. */
const freeOverheadBytes = 16_384;
const overheadPerChunkBytes = 16;

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Whether a byte may stand in an extension or in a trailer field. */
function isText(byte: number): boolean {
  return byte >= 0x20 ? byte !== 0x7f : byte === 0x09;
}

/** Takes a body in chunks apart (RFC 9112, section 7.1). Extensions and trailer fields are checked and dropped. */
export class ChunkedDecoder {
  #state: State = "size";
  #size = 0;
  #digits = 0;
  #overhead = 0;
  #lineBytes = 0;
  #colon = false;

  /** Whether the last chunk and the trailer section have come. */
  get done(): boolean {
    return this.#state === "done";
  }

  /**
   * Reads on.
   *
   * @returns where it stopped: the end of the bytes, or of the body
   * @throws Http1Error
   */
  decode(bytes: Uint8Array, start: number, onData: (chunk: Uint8Array) => void): number {
    let at = start;
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state === "data") {
        const end = Math.min(bytes.length, at + this.#size);
        this.#size -= end - at;
        if (this.#size === 0) this.#state = "data-cr";
        onData(bytes.subarray(at, end));
        at = end;
      } else {
        if (++this.#overhead > freeOverheadBytes) throw new Http1Error(400, "The chunks are mostly overhead");
        this.#step(bytes[at++]!);
      }
    }
    return at;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case "size":
        this.#sizeByte(byte);
        break;
      case "extension":
        if (byte === 0x0d) this.#state = "size-lf";
        else if (!isText(byte)) throw new Http1Error(400, "A chunk extension is malformed");
        break;
      case "size-lf":
        this.#lineFeed(byte);
        this.#overhead = Math.max(0, this.#overhead - overheadPerChunkBytes);
        this.#state = this.#size === 0 ? "trailer" : "data";
        this.#digits = 0;
        break;
      case "data-cr":
        if (byte !== 0x0d) throw new Http1Error(400, "A chunk is longer than its size");
        this.#state = "data-lf";
        break;
      case "data-lf":
        this.#lineFeed(byte);
        this.#state = "size";
        break;
      case "trailer":
        this.#trailerByte(byte);
        break;
      case "trailer-lf":
        this.#lineFeed(byte);
        this.#state = this.#lineBytes === 0 ? "done" : "trailer";
        this.#lineBytes = 0;
        this.#colon = false;
        break;
    }
  }

  #sizeByte(byte: number): void {
    const digit = hexDigit(byte);
    if (digit !== -1) {
      if (++this.#digits > maxSizeDigits) throw new Http1Error(400, "A chunk is too large");
      this.#size = this.#size * 16 + digit;
    } else if (this.#digits === 0) throw new Http1Error(400, "A chunk has no size");
    else if (byte === 0x0d) this.#state = "size-lf";
    else if (byte === 0x3b /* ; */) this.#state = "extension";
    else throw new Http1Error(400, "A chunk size is malformed");
  }

  #trailerByte(byte: number): void {
    if (byte === 0x0d) {
      if (this.#lineBytes > 0 && !this.#colon) throw new Http1Error(400, "A trailer field is malformed");
      this.#state = "trailer-lf";
      return;
    }
    if (!isText(byte) || (this.#lineBytes === 0 && (byte === 0x3a || byte === 0x20 || byte === 0x09))) {
      throw new Http1Error(400, "A trailer field is malformed");
    }
    this.#lineBytes++;
    if (byte === 0x3a /* : */) this.#colon = true;
  }

  #lineFeed(byte: number): void {
    if (byte !== 0x0a) throw new Http1Error(400, "A line of the chunked body has no end");
  }
}
