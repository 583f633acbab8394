import { ByteSink } from "../../src/http/http2/frame/byte-sink.ts";
import { frameType, preface, setting } from "../../src/http/http2/frame/frame-types.ts";
import { HpackEncoder } from "../../src/http/http2/hpack/hpack-encoder.ts";
import type { Fields } from "../../src/http/http2/streams/stream.ts";
import { bytesOf } from "../http/http1/connection-fixture.ts";
import { endHeaders, endStream, frame, padded, settingsOf, words } from "../http/http2/connection-fixture.ts";
import type { Dice } from "../support/dice.ts";
import { joined } from "../support/mutate.ts";

/** One message: its fields, its body, and the fields behind it. */
export interface Message {
  readonly fields: Fields;
  readonly body: Uint8Array;
  readonly trailers?: Fields | undefined;
}

/** Names and values that no peer may send. */
const wrongFields: Fields = [
  ...["Upper", "a", "connection", "close", "te", "gzip", "x", "\0", "x", "a\nb", "x", "\x7f", "", "a"],
  ...[":status", "200", ":path", "/", ":unknown", "a", "transfer-encoding", "chunked", "x y", "a", "x", "ü"],
  ...["content-length", "5", "content-length", "-1", ":authority", "a@b", "host", "b", ":scheme", "ftp"],
  ...["__proto__", "a", "constructor", "a", "expect", "100-continue", "cookie", "a=b", "grpc-timeout", "1x"],
];

/** A field as HPACK writes it without a table, whatever it holds. */
function literal(name: string, value: string): Uint8Array {
  const text = (given: string): Uint8Array[] => [new Uint8Array([given.length & 127]), bytesOf(given)];
  return joined([new Uint8Array([0]), ...text(name), ...text(value)]);
}

/** Writes frames as a peer does that keeps to the rules, mostly. */
export class FrameWriter {
  readonly #dice: Dice;
  readonly #encoder = new HpackEncoder();

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** What a peer says first. */
  greeting(client: boolean): Uint8Array[] {
    const dice = this.#dice;
    const settings: (readonly [number, number])[] = [];
    if (dice.chance(0.3)) {
      settings.push([setting.initialWindowSize, dice.pick([0, 1, 1_000, 65_535, 1_000_000])]);
    }
    if (dice.chance(0.2)) settings.push([setting.maxFrameSize, dice.pick([16_384, 100_000])]);
    if (dice.chance(0.2)) settings.push([setting.headerTableSize, dice.pick([0, 100, 65_536])]);
    const first = frame(frameType.settings, 0, 0, settingsOf(...settings));
    return client ? [preface, first, frame(frameType.settings, 1)] : [first, frame(frameType.settings, 1)];
  }

  /** The frames of one message on a stream. */
  message(id: number, { fields, body, trailers }: Message): Uint8Array[] {
    const dice = this.#dice;
    const bare = body.length === 0 && trailers === undefined;
    const frames = this.#headers(id, fields, bare);
    for (let at = 0; at < body.length; ) {
      const size = Math.min(body.length - at, dice.between(1, dice.pick([5, 1_000, 16_384])));
      const last = at + size === body.length && trailers === undefined;
      const padding = dice.chance(0.1) ? dice.below(20) : 0;
      const bytes = body.slice(at, at + size);
      frames.push(
        padding === 0
          ? frame(frameType.data, last ? endStream : 0, id, bytes)
          : frame(
              frameType.data,
              padded | (last ? endStream : 0),
              id,
              joined([new Uint8Array([padding]), bytes, new Uint8Array(padding)]),
            ),
      );
      at += size;
    }
    if (trailers !== undefined) frames.push(...this.#headers(id, trailers, true));
    return frames;
  }

  /** A frame that is about no message. */
  control(lastId: number): Uint8Array {
    const dice = this.#dice;
    const id = dice.chance(0.2) ? dice.below(2 ** 31) : dice.below(lastId + 3);
    switch (dice.below(9)) {
      case 0:
        return frame(frameType.ping, dice.below(2), 0, dice.bytes(8));
      case 1:
        return frame(
          frameType.windowUpdate,
          0,
          dice.chance(0.5) ? 0 : id,
          words(dice.pick([0, 1, 65_535, 2 ** 31 - 1])),
        );
      case 2:
        return frame(frameType.rstStream, 0, id, words(dice.below(15)));
      case 3:
        return frame(frameType.priority, 0, id, dice.bytes(5));
      case 4:
        return frame(
          frameType.settings,
          0,
          0,
          settingsOf([dice.below(8), dice.pick([0, 1, 16_384, 65_535, 2 ** 31])]),
        );
      case 5:
        return frame(frameType.goaway, 0, 0, words(id, dice.below(14)));
      case 6:
        return frame(frameType.data, dice.below(256), id, dice.bytes(dice.size(300)));
      case 7:
        return frame(dice.below(256), dice.below(256), id, dice.bytes(dice.size(300)));
      default:
        return frame(
          frameType.headers,
          endHeaders | dice.below(2),
          id,
          this.#block([":method", "GET", ":path", "/"]),
        );
    }
  }

  #headers(id: number, fields: Fields, ended: boolean): Uint8Array[] {
    const dice = this.#dice;
    const block = this.#block(fields);
    const end = ended ? endStream : 0;
    if (dice.chance(0.8)) return [frame(frameType.headers, endHeaders | end, id, block)];
    const at = dice.below(block.length);
    return [
      frame(frameType.headers, end, id, block.slice(0, at)),
      frame(frameType.continuation, endHeaders, id, block.slice(at)),
    ];
  }

  #block(fields: Fields): Uint8Array {
    const dice = this.#dice;
    const sink = new ByteSink();
    this.#encoder.encode(fields, sink);
    const block = sink.bytes.slice(0, sink.length);
    if (dice.chance(0.9)) return block;
    const at = dice.below(wrongFields.length / 2) * 2;
    return joined([block, literal(wrongFields[at]!, wrongFields[at + 1]!)]);
  }
}

/** Lists one after the other in turns, each in its own order. */
export function interleaved<T>(dice: Dice, lists: readonly (readonly T[])[]): T[] {
  const waiting = lists.map((list) => [...list]).filter((list) => list.length > 0);
  const result: T[] = [];
  while (waiting.length > 0) {
    const at = dice.below(waiting.length);
    result.push(...waiting[at]!.splice(0, dice.between(1, 3)));
    if (waiting[at]!.length === 0) waiting.splice(at, 1);
  }
  return result;
}

/** A whole connection of a client: its greeting, and requests in turns with what else it may say. */
export function clientFrames(dice: Dice, make: () => Message, calm = false): Uint8Array[] {
  const writer = new FrameWriter(dice);
  // Blocks change the table, so that they must go out in the order in which they are written.
  const frames = writer.greeting(true);
  const bodies: Uint8Array[][] = [];
  const count = dice.between(1, 5);
  for (let at = 0; at < count; at++) {
    const [head, ...rest] = writer.message(1 + at * 2, make());
    frames.push(head!);
    bodies.push(rest);
    if (!calm && dice.chance(0.3)) frames.push(writer.control(count * 2));
    // A block that goes on has to be whole before anything else.
    while (bodies.at(-1)?.[0]?.[3] === frameType.continuation) frames.push(bodies.at(-1)!.shift()!);
  }
  const others = calm ? [] : [Array.from({ length: dice.below(3) }, () => writer.control(count * 2))];
  return [...frames, ...interleaved(dice, [...bodies, ...others])];
}

/** A whole connection of a server, with responses to the first streams. */
export function serverFrames(dice: Dice, ids: readonly number[], make: () => Message): Uint8Array[] {
  const writer = new FrameWriter(dice);
  const frames = writer.greeting(false);
  for (const id of ids) {
    frames.push(...writer.message(id, make()));
    if (dice.chance(0.2)) frames.push(writer.control(ids.length * 2));
  }
  return frames;
}
