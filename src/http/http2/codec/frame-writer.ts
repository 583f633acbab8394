import type { ByteTransport } from "../../byte-transport.ts";
import { ByteSink } from "../frame/byte-sink.ts";
import { frameFlag, frameHeaderBytes, frameType, writeUint32 } from "../frame/frame-types.ts";
import type { HpackEncoder } from "../hpack/hpack-encoder.ts";

/** So many bytes are written at once, without waiting for the end of the turn. */
const flushBytes = 64 * 1024;
/** Longer payloads are handed on as they are; shorter ones are cheaper to copy. */
const copyBytes = 8 * 1024;

/** Sinks that no connection writes into now: a connection needs one for a turn, and most are idle in most turns. */
const spareSinks: ByteSink[] = [];
const maxSpareSinks = 64;
/** Larger ones are not kept. */
const maxSpareBytes = 4 * flushBytes;

/** Small pieces share a block: an array buffer of its own costs more than the bytes in it. */
const blockBytes = 8 * 1024;
let block: Uint8Array = new Uint8Array(0);
let blockEnd = 0;

/** A copy of the first bytes, which belongs to the caller. */
function copyOf(bytes: Uint8Array, length: number): Uint8Array {
  if (length > blockBytes / 2) return bytes.slice(0, length);
  if (blockEnd + length > block.length) {
    block = new Uint8Array(blockBytes);
    blockEnd = 0;
  }
  const piece = block.subarray(blockEnd, blockEnd + length);
  blockEnd += length;
  piece.set(bytes.subarray(0, length));
  return piece;
}

/**
 * The outgoing side of a connection. All frames made in one turn of the event loop leave in one write: a
 * system call costs more than a small call's frames.
 */
export class FrameWriter {
  readonly #transport: ByteTransport;
  readonly #encoder: HpackEncoder;
  readonly #flushLater: () => void = () => {
    this.#scheduled = false;
    this.flush();
  };
  #sink: ByteSink | undefined = undefined;
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #scheduled = false;
  /** The last frame of DATA that was not handed to the transport yet: its stream, its place, and the piece when sealed. */
  #dataId = 0;
  #dataAt = 0;
  #dataPiece: Uint8Array | undefined = undefined;
  /** Frames of DATA that were made, and bytes that were handed to the transport. */
  dataFrames = 0;
  flushedBytes = 0;
  /** Whether the transport has enough; frames of DATA wait then. */
  congested = false;
  /** Nothing is written any more. */
  closed = false;
  /** The largest payload that the peer takes. */
  maxFrameBytes: number;

  constructor(transport: ByteTransport, encoder: HpackEncoder, maxFrameBytes: number) {
    this.#transport = transport;
    this.#encoder = encoder;
    this.maxFrameBytes = maxFrameBytes;
  }

  #open(): ByteSink {
    let sink = this.#sink;
    if (sink === undefined) {
      sink = spareSinks.pop() ?? new ByteSink(4096);
      this.#sink = sink;
    }
    return sink;
  }

  /**
   * Writes a frame's header and makes room for its payload, which the caller puts behind it; for `room` when the
   * payload goes elsewhere.
   */
  frame(type: number, flags: number, id: number, length: number, room: number = length): ByteSink {
    const sink = this.#open();
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#transport.nextTurn(this.#flushLater);
    }
    sink.ensure(frameHeaderBytes + room);
    const { bytes, length: at } = sink;
    bytes[at] = length >>> 16;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    writeUint32(bytes, at + 5, id);
    sink.length = at + frameHeaderBytes;
    return sink;
  }

  /** Writes raw bytes: the preface, and opaque payloads. */
  bytes(data: Uint8Array): void {
    const sink = this.#open();
    sink.ensure(data.length);
    sink.bytes.set(data, sink.length);
    sink.length += data.length;
  }

  /** A frame whose payload is 32-bit words. */
  words(type: number, id: number, ...words: readonly number[]): void {
    const sink = this.frame(type, 0, id, words.length * 4);
    for (const word of words) {
      writeUint32(sink.bytes, sink.length, word);
      sink.length += 4;
    }
  }

  /** A header block: HEADERS, and CONTINUATION for what the peer does not take in one frame. */
  headers(id: number, fields: readonly string[], ends: boolean): void {
    const flags = (ends ? frameFlag.endStream : 0) | frameFlag.endHeaders;
    const sink = this.frame(frameType.headers, flags, id, 0);
    const start = sink.length;
    try {
      this.#encoder.encode(fields, sink);
    } catch (error) {
      sink.length = start - frameHeaderBytes;
      throw error;
    }
    const length = sink.length - start;
    if (length > this.maxFrameBytes) {
      this.#split(sink, id, start, length, ends);
    } else {
      const { bytes } = sink;
      bytes[start - 9] = length >>> 16;
      bytes[start - 8] = length >>> 8;
      bytes[start - 7] = length;
    }
    this.#flushMuch();
  }

  #split(sink: ByteSink, id: number, start: number, length: number, ends: boolean): void {
    const block = sink.bytes.slice(start, start + length);
    sink.length = start - frameHeaderBytes;
    for (let at = 0; at < length; at += this.maxFrameBytes) {
      const part = block.subarray(at, at + this.maxFrameBytes);
      const last = at + part.length === length ? frameFlag.endHeaders : 0;
      const first = at === 0;
      const flags = last | (first && ends ? frameFlag.endStream : 0);
      this.frame(first ? frameType.headers : frameType.continuation, flags, id, part.length);
      this.bytes(part);
    }
  }

  #dataFrame(id: number, ends: boolean, length: number, room: number): ByteSink {
    const sink = this.frame(frameType.data, ends ? frameFlag.endStream : 0, id, length, room);
    this.dataFrames++;
    this.#dataId = id;
    this.#dataAt = sink.length - frameHeaderBytes;
    this.#dataPiece = undefined;
    return sink;
  }

  /**
   * Ends a stream with its last frame of DATA, if that is the last one made and still here; else false. So a body whose
   * end is known a moment late costs no frame of its own.
   */
  endData(id: number): boolean {
    if (this.#dataId !== id) return false;
    const bytes = this.#dataPiece ?? this.#sink!.bytes;
    bytes[this.#dataAt + 4] = bytes[this.#dataAt + 4]! | frameFlag.endStream;
    return true;
  }

  /** One frame of DATA; the bytes must fit the peer's frame size and its windows. */
  data(id: number, bytes: Uint8Array, ends: boolean): void {
    this.#dataFrame(id, ends, bytes.length, bytes.length <= copyBytes ? bytes.length : 0);
    if (bytes.length <= copyBytes) {
      this.bytes(bytes);
    } else {
      this.#seal();
      this.#pieces.push(bytes);
      this.#pieceBytes += bytes.length;
    }
    this.#flushMuch();
  }

  /**
   * One frame of DATA with a length-prefixed message, made in place; a small one.
   */
  message(id: number, flags: number, body: Uint8Array, ends: boolean): void {
    const length = body.length;
    const sink = this.#dataFrame(id, ends, length + 5, length + 5);
    const { bytes, length: at } = sink;
    bytes[at] = flags;
    writeUint32(bytes, at + 1, length);
    bytes.set(body, at + 5);
    sink.length = at + 5 + length;
    this.#flushMuch();
  }

  #flushMuch(): void {
    if (this.#pieceBytes + (this.#sink?.length ?? 0) >= flushBytes) this.flush();
  }

  /** Moves what was copied so far into the pieces, in an array of its own. */
  #seal(): void {
    const sink = this.#sink;
    if (sink === undefined || sink.length === 0) return;
    const { bytes, length } = sink;
    const piece = copyOf(bytes, length);
    if (this.#dataId !== 0) this.#dataPiece ??= piece;
    this.#pieces.push(piece);
    this.#pieceBytes += length;
    sink.length = 0;
  }

  /** Hands everything to the transport. */
  flush(): void {
    this.#seal();
    const sink = this.#sink;
    this.#sink = undefined;
    if (sink !== undefined && spareSinks.length < maxSpareSinks && sink.bytes.length <= maxSpareBytes) {
      spareSinks.push(sink);
    }
    if (this.#pieces.length === 0) return;
    const pieces = this.#pieces;
    this.#pieces = [];
    this.flushedBytes += this.#pieceBytes;
    this.#pieceBytes = 0;
    this.#dataId = 0;
    if (!this.closed && !this.#transport.write(pieces)) this.congested = true;
  }
}
