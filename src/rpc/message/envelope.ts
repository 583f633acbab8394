import { Code, ConnectError } from "@connectrpc/connect";
import { ChunkBuffer } from "./chunk-buffer.ts";

/** Bytes of the prefix: one of flags, four of length. */
export const prefixBytes = 5;
/** The flag of a compressed message. */
export const compressedFlag = 1;

/** Messages up to this size are gathered in one buffer, allocated as soon as their length is known. */
const eagerBytes = 64 * 1024;

/** Receives each message as soon as its last byte is there; the bytes belong to it. */
export type MessageSink = (flags: number, bytes: Uint8Array) => void;

/**
 * Cuts a stream of bytes into length-prefixed messages.
 *
 * A message that lies within one chunk costs one small copy. A long one is gathered as it comes and
 * joined at its end, so that a length alone, without the bytes, makes nobody allocate them.
 */
export class EnvelopeReader {
  readonly #maxBytes: number;
  readonly #sink: MessageSink;
  /** The prefix as far as it arrived, when it is cut in two. */
  #prefix: Uint8Array | undefined = undefined;
  #prefixFill = 0;
  #started = false;
  #flags = 0;
  /** The length of the message being read; -1 while the prefix is incomplete. */
  #length = -1;
  #filled = 0;
  #target: Uint8Array | undefined = undefined;
  #buffered: ChunkBuffer | undefined = undefined;

  constructor(maxBytes: number, sink: MessageSink) {
    this.#maxBytes = maxBytes;
    this.#sink = sink;
  }

  /** Whether anything was read at all. */
  get started(): boolean {
    return this.#started;
  }

  /** Whether everything read so far was whole messages. */
  get atBoundary(): boolean {
    return this.#length === -1 && this.#prefixFill === 0;
  }

  /** @throws ConnectError `resource_exhausted` as soon as a prefix announces more than the limit */
  push(chunk: Uint8Array): void {
    let offset = 0;
    this.#started = true;
    while (offset < chunk.length) {
      if (this.#length === -1) {
        offset = this.#readPrefix(chunk, offset);
        if (this.#length > 0) continue;
        if (this.#length === -1) return;
      } else {
        offset = this.#readBody(chunk, offset);
        if (this.#filled < this.#length) return;
      }
      this.#deliver();
    }
  }

  #readPrefix(chunk: Uint8Array, start: number): number {
    let offset = start;
    if (this.#prefixFill === 0 && chunk.length - offset >= prefixBytes) {
      this.#begin(chunk, offset);
      return offset + prefixBytes;
    }
    this.#prefix ??= new Uint8Array(prefixBytes);
    while (this.#prefixFill < prefixBytes && offset < chunk.length) {
      this.#prefix[this.#prefixFill++] = chunk[offset++]!;
    }
    if (this.#prefixFill === prefixBytes) {
      this.#prefixFill = 0;
      this.#begin(this.#prefix, 0);
    }
    return offset;
  }

  #begin(bytes: Uint8Array, at: number): void {
    const length =
      ((bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!) >>> 0;
    if (length > this.#maxBytes) {
      throw new ConnectError(
        `message of ${length} bytes is larger than the limit of ${this.#maxBytes}`,
        Code.ResourceExhausted,
      );
    }
    this.#flags = bytes[at]!;
    this.#length = length;
    this.#filled = 0;
    this.#target = length <= eagerBytes ? new Uint8Array(length) : undefined;
  }

  #readBody(chunk: Uint8Array, offset: number): number {
    const take = Math.min(this.#length - this.#filled, chunk.length - offset);
    const part = take === chunk.length ? chunk : chunk.subarray(offset, offset + take);
    if (this.#target === undefined) {
      this.#buffered ??= new ChunkBuffer();
      this.#buffered.add(part);
    } else this.#target.set(part, this.#filled);
    this.#filled += take;
    return offset + take;
  }

  #deliver(): void {
    let bytes = this.#target;
    if (bytes === undefined) {
      bytes = new Uint8Array(this.#length);
      let at = 0;
      for (const piece of this.#buffered?.pieces() ?? []) {
        bytes.set(piece, at);
        at += piece.length;
      }
      this.#buffered = undefined;
    }
    this.#target = undefined;
    this.#length = -1;
    this.#sink(this.#flags, bytes);
  }
}
