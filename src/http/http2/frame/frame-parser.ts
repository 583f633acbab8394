import {
  frameFlag,
  frameHeaderBytes,
  frameType,
  Http2Error,
  h2,
  maxInt31,
  preface,
  readUint32,
} from "./frame-types.ts";

/** Receives what a {@link FrameParser} finds; the bytes are only lent, except for those of DATA. */
export interface FrameSink {
  /** A whole frame of any type; DATA comes here only when it is padded. */
  frame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): void;
  /**
   * A part of a DATA frame. `frameBytes` is the length of the whole frame with its first part, and 0 with the
   * others; `ended` comes with the last part of the stream's last frame.
   */
  data(id: number, bytes: Uint8Array, start: number, end: number, frameBytes: number, ended: boolean): void;
  /** Whether nothing more is of interest. */
  readonly over: boolean;
}

const nothing: Uint8Array = new Uint8Array(0);

/**
 * Cuts a connection's bytes into frames. DATA is handed on as it arrives and never copied; other frames are
 * gathered until they are whole, so a peer makes this side hold one frame at most.
 */
export class FrameParser {
  readonly #sink: FrameSink;
  readonly #maxBytes: number;
  /** Bytes of the preface still to come; a client's connection starts with it. */
  #prefaceLeft: number;
  /** The beginning of a frame that is not complete, and how much of it is there. */
  #rest: Uint8Array = nothing;
  #restBytes = 0;
  #dataLeft = 0;
  #dataId = 0;
  #dataEnds = false;
  #frames = 0;

  constructor(sink: FrameSink, options: { readonly maxFrameBytes: number; readonly expectPreface: boolean }) {
    this.#sink = sink;
    this.#maxBytes = options.maxFrameBytes;
    this.#prefaceLeft = options.expectPreface ? preface.length : 0;
  }

  /** The number of the frame, other than DATA, of which only a part is there; 0 when there is none. */
  get incomplete(): number {
    return this.#restBytes === 0 ? 0 : this.#frames + 1;
  }

  /** @throws Http2Error for a violation of the framing */
  push(chunk: Uint8Array): void {
    let at = 0;
    if (this.#prefaceLeft > 0) {
      at = this.#readPreface(chunk);
      if (this.#prefaceLeft > 0) return;
    }
    if (this.#restBytes > 0) at = this.#complete(chunk, at);
    if (this.#dataLeft > 0) at = this.#continueData(chunk, at);
    if (this.#restBytes > 0 || this.#sink.over) return;
    at = this.#readFrames(chunk, at);
    if (at < chunk.length && !this.#sink.over) this.#keep(chunk, at, chunk.length);
  }

  /** Adds to the beginning of a frame, and reads the frame when it is whole. */
  #complete(chunk: Uint8Array, start: number): number {
    let at = start;
    if (this.#restBytes < frameHeaderBytes) {
      at = this.#keep(chunk, at, Math.min(chunk.length, at + frameHeaderBytes - this.#restBytes));
      if (this.#restBytes < frameHeaderBytes) return at;
      if (this.#readRest()) return at;
    }
    const rest = this.#rest;
    const length = frameHeaderBytes + ((rest[0]! << 16) | (rest[1]! << 8) | rest[2]!);
    at = this.#keep(chunk, at, Math.min(chunk.length, at + length - this.#restBytes));
    if (this.#restBytes === length) this.#readRest();
    return at;
  }

  /** Reads what was kept; false when it is still not enough. */
  #readRest(): boolean {
    const rest = this.#rest.subarray(0, this.#restBytes);
    if (this.#readFrames(rest, 0) === 0) return false;
    this.#rest = nothing;
    this.#restBytes = 0;
    return true;
  }

  /** Keeps a part of a chunk; the room grows with what came, not with what the frame says. */
  #keep(chunk: Uint8Array, start: number, end: number): number {
    const needed = this.#restBytes + end - start;
    if (needed > this.#rest.length) {
      const rest = new Uint8Array(Math.max(needed, this.#rest.length * 2));
      rest.set(this.#rest);
      this.#rest = rest;
    }
    this.#rest.set(chunk.subarray(start, end), this.#restBytes);
    this.#restBytes = needed;
    return end;
  }

  #readPreface(bytes: Uint8Array): number {
    let at = 0;
    while (this.#prefaceLeft > 0 && at < bytes.length) {
      if (bytes[at++] !== preface[preface.length - this.#prefaceLeft]) {
        throw new Http2Error(h2.protocolError, "the connection does not start with the preface of HTTP/2");
      }
      this.#prefaceLeft--;
    }
    return at;
  }

  #continueData(bytes: Uint8Array, at: number): number {
    const end = Math.min(at + this.#dataLeft, bytes.length);
    if (end === at) return at;
    this.#dataLeft -= end - at;
    this.#sink.data(this.#dataId, bytes, at, end, 0, this.#dataLeft === 0 && this.#dataEnds);
    return end;
  }

  #readFrames(bytes: Uint8Array, start: number): number {
    const sink = this.#sink;
    const total = bytes.length;
    let at = start;
    while (total - at >= frameHeaderBytes && !sink.over) {
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      const type = bytes[at + 3]!;
      const flags = bytes[at + 4]!;
      const id = readUint32(bytes, at + 5) & maxInt31;
      if (length > this.#maxBytes) {
        throw new Http2Error(
          h2.frameSizeError,
          `a frame of ${length} bytes is larger than ${this.#maxBytes}`,
        );
      }
      const from = at + frameHeaderBytes;
      if (type === frameType.data && (flags & frameFlag.padded) === 0) {
        const end = Math.min(from + length, total);
        const left = from + length - end;
        const ends = (flags & frameFlag.endStream) !== 0;
        this.#dataLeft = left;
        this.#dataId = id;
        this.#dataEnds = ends;
        at = end;
        this.#frames++;
        sink.data(id, bytes, from, end, length, left === 0 && ends);
      } else if (total - from >= length) {
        at = from + length;
        this.#frames++;
        sink.frame(type, flags, id, bytes, from, at);
      } else {
        break;
      }
    }
    return at;
  }
}
