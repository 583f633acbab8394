import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChunkBuffer } from "../../../src/rpc/message/chunk-buffer.ts";
import { EnvelopeReader } from "../../../src/rpc/message/envelope.ts";
import { words } from "../../http/http2/connection-fixture.ts";
import { concat } from "../../http/http2/held-transport.ts";

const long = 4 * 1024 * 1024;

/** Bytes that repeat at no power of two, so that a misplaced piece shows. */
function patternOf(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = ((at + seed) * 7) % 251;
  return bytes;
}

function enveloped(flags: number, bytes: Uint8Array): Uint8Array {
  return concat([new Uint8Array([flags]), words(bytes.length), bytes]);
}

/** Sizes that follow each other without an order, the same in each run. */
function* unevenSizes(largest: number): Generator<number> {
  for (let state = 12_345; ; ) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    // Small ones are as frequent as large ones.
    yield 1 + Math.floor(largest ** (state / 2_147_483_648));
  }
}

function* always(size: number): Generator<number> {
  for (;;) yield size;
}

function cut(bytes: Uint8Array, sizes: Iterable<number>): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    parts.push(bytes.subarray(at, at + size));
    at += size;
    if (at >= bytes.length) break;
  }
  return parts;
}

describe("the messages of a stream", () => {
  const messages = [0, 5, 70_000, 1, 65_536, 65_537, 0, 300_000, 3].map((length, at) => ({
    flags: at % 2,
    bytes: patternOf(length, at),
  }));
  const stream = concat(messages.map(({ flags, bytes }) => enveloped(flags, bytes)));
  const cuts: readonly (readonly [how: string, sizes: () => Iterable<number>])[] = [
    ...[1, 2, 3, 5, 7, 1_023, 1_024, 1_025, 8_191, 8_192, 16_384, 65_536, stream.length].map(
      (size) => [`of ${size}`, () => always(size)] as const,
    ),
    ["of all sizes", () => unevenSizes(65_536)],
  ];
  for (const [how, sizes] of cuts) {
    it(`are whole however they are cut: parts ${how}`, () => {
      // Parts of one large buffer, as a socket reads them, and parts that have a buffer each.
      for (const own of [false, true]) {
        const found: { flags: number; bytes: Uint8Array }[] = [];
        const reader = new EnvelopeReader(long, (flags, bytes) => found.push({ flags, bytes }));
        for (const part of cut(stream, sizes())) reader.push(own ? part.slice() : part);
        assert.equal(reader.atBoundary, true);
        assert.deepEqual(
          found.map(({ flags, bytes }) => [flags, bytes.length]),
          messages.map(({ flags, bytes }) => [flags, bytes.length]),
        );
        for (const [at, { bytes }] of found.entries()) {
          // Not assert.deepEqual, which takes its time for so many bytes.
          assert.ok(
            bytes.every((byte, i) => byte === messages[at]!.bytes[i]),
            `message ${at}`,
          );
        }
      }
    });
  }

  it("do not change with the buffer that small parts were read from", () => {
    const message = patternOf(100_000);
    const found: Uint8Array[] = [];
    const reader = new EnvelopeReader(long, (_, bytes) => found.push(bytes));
    const read = new Uint8Array(100);
    const bytes = enveloped(0, message);
    for (let at = 0; at < bytes.length; at += read.length) {
      const part = read.subarray(0, Math.min(read.length, bytes.length - at));
      part.set(bytes.subarray(at, at + part.length));
      reader.push(part);
      read.fill(255);
    }
    assert.equal(found.length, 1);
    assert.ok(found[0]!.every((byte, at) => byte === message[at]));
  });

  it("are refused as soon as one announces more than the limit", () => {
    const reader = new EnvelopeReader(1_000, () => assert.fail("no message is whole"));
    assert.throws(
      () => reader.push(concat([new Uint8Array([0]), words(1_001)])),
      (error) => error instanceof ConnectError && error.code === Code.ResourceExhausted,
    );
  });
});

describe("what is held of a message that is still on its way", () => {
  /** All memory that the pieces keep, shared or not, and what each of them costs besides. */
  function heldBy(buffered: ChunkBuffer): number {
    const pieces = buffered.pieces();
    const buffers = new Set(pieces.map(({ buffer }) => buffer));
    return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0) + pieces.length * 110;
  }

  it("is little more than its bytes, in parts of one byte", () => {
    const buffered = new ChunkBuffer();
    for (let at = 0; at < long; at++) buffered.add(new Uint8Array([at]));
    assert.ok(heldBy(buffered) < long * 1.05, `${heldBy(buffered)} bytes`);
    assert.ok(buffered.pieces().length < 100);
  });

  it("does not follow the buffers that its parts were read from", () => {
    for (const length of [1, 500, 2_000, 4_000]) {
      for (const parts of [1, 3, 20, 300]) {
        const buffered = new ChunkBuffer();
        for (let at = 0; at < parts; at++) buffered.add(new Uint8Array(64 * 1024).subarray(0, length));
        assert.ok(
          heldBy(buffered) < 2 * parts * length + 2_048,
          `${heldBy(buffered)} bytes for ${parts} * ${length}`,
        );
      }
    }
  });

  it("stays within bounds when small parts and large ones take turns", () => {
    const buffered = new ChunkBuffer();
    let came = 0;
    for (; came < long; came += 1_025) {
      buffered.add(new Uint8Array(1));
      buffered.add(new Uint8Array(1_024));
    }
    assert.ok(heldBy(buffered) < came * 1.5, `${heldBy(buffered)} bytes`);
  });

  it("is the parts themselves when they are large", () => {
    const buffered = new ChunkBuffer();
    const read = patternOf(65_536);
    const parts = [read.subarray(9, 16_393), read.subarray(16_402, 32_786), read];
    for (const part of parts) buffered.add(part);
    assert.deepEqual(
      buffered.pieces().map(({ byteOffset }) => byteOffset),
      [9, 16_402, 0],
    );
    assert.ok(buffered.pieces().every(({ buffer }) => buffer === read.buffer));
  });
});
