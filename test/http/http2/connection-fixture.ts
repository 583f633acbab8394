import type { ConnectionHandler, ConnectionOptions } from "../../../src/http/http2/connection-options.ts";
import { ByteSink } from "../../../src/http/http2/frame/byte-sink.ts";
import { frameType, h2, preface, readUint32 } from "../../../src/http/http2/frame/frame-types.ts";
import { HpackDecoder } from "../../../src/http/http2/hpack/hpack-decoder.ts";
import { HpackEncoder } from "../../../src/http/http2/hpack/hpack-encoder.ts";
import { Http2Connection } from "../../../src/http/http2/http2-connection.ts";
import type { Fields, Http2Stream, StreamHandler } from "../../../src/http/http2/streams/stream.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { concat, HeldTransport } from "./held-transport.ts";

export const endStream = 0x1;
export const endHeaders = 0x4;
export const padded = 0x8;

/** A frame that was sent. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

/** The bytes of one frame. */
export function frame(type: number, flags = 0, id = 0, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(9 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (payload.length << 8) | type);
  bytes[4] = flags;
  view.setUint32(5, id);
  bytes.set(payload, 9);
  return bytes;
}

/** So many bytes, all 0. */
export function zeros(length: number): Uint8Array {
  return new Uint8Array(length);
}

/** Numbers of four bytes each. */
export function words(...numbers: number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [at, number] of numbers.entries()) view.setUint32(at * 4, number);
  return bytes;
}

/** The payload of SETTINGS. */
export function settingsOf(...pairs: readonly (readonly [id: number, value: number])[]): Uint8Array {
  return concat(pairs.flatMap(([id, value]) => [new Uint8Array([id >> 8, id & 255]), words(value)]));
}

/** Cuts bytes into frames. */
export function framesOf(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= 9) {
    const end = at + 9 + ((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!);
    frames.push({
      type: bytes[at + 3]!,
      flags: bytes[at + 4]!,
      id: readUint32(bytes, at + 5),
      payload: bytes.slice(at + 9, end),
    });
    at = end;
  }
  return frames;
}

/** Writes down what happens to a stream. */
export class Log implements StreamHandler {
  readonly events: string[] = [];
  bytes = 0;
  fields: Fields = [];
  /** Called with each event, after it was written down. */
  act: ((event: string) => void) | undefined = undefined;

  #note(event: string): void {
    this.events.push(event);
    this.act?.(event);
  }

  onHeaders(fields: Fields, ended: boolean): void {
    this.fields = fields;
    this.#note(`headers ${fields[1]}${ended ? " ended" : ""}`);
  }

  onData(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.#note(`data ${chunk.length}`);
  }

  onTrailers(fields: Fields): void {
    this.#note(`trailers ${fields.join("=")}`);
  }

  onEnd(): void {
    this.#note("end");
  }

  onDrain(): void {
    this.#note("drain");
  }

  onClose(): void {
    this.#note("close");
  }
}

/** What a connection told. */
export class Host implements ConnectionHandler {
  readonly streams: { readonly stream: Http2Stream; readonly fields: Fields; readonly log: Log }[] = [];
  open = 0;
  closed = 0;
  settings = 0;
  goaways: number[] = [];
  readonly errors: unknown[] = [];
  error: Error | undefined = undefined;
  /** What a server does with a request. */
  serve: ((stream: Http2Stream, fields: Fields, log: Log) => void) | undefined = undefined;

  onStream(stream: Http2Stream, fields: Fields): void {
    const log = new Log();
    stream.handler = log;
    this.open++;
    this.streams.push({ stream, fields, log });
    this.serve?.(stream, fields, log);
  }

  onStreamClose(): void {
    this.open--;
  }

  onSettings(): void {
    this.settings++;
  }

  onGoaway(code: number): void {
    this.goaways.push(code);
  }

  onError(error: unknown): void {
    this.errors.push(error);
  }

  onClose(error: Error | undefined): void {
    this.closed++;
    this.error = error;
  }
}

const options: Omit<ConnectionOptions, "role" | "clock"> = {
  maxStreams: 100,
  maxHeaderListBytes: 16_384,
  streamWindowBytes: 65_535,
  connectionWindowBytes: 1024 * 1024,
  settingsTimeoutMs: 60_000,
};

/** A connection with its transport and its handler. */
export interface Side {
  readonly connection: Http2Connection;
  readonly transport: HeldTransport;
  readonly host: Host;
}

/** One side, whose peer is the test itself. */
export function sideOf(role: "client" | "server", overrides: Partial<ConnectionOptions> = {}): Side {
  const [transport, host] = [new HeldTransport(), new Host()];
  const clock = new VirtualClock();
  const connection = new Http2Connection(transport, host, { ...options, clock, ...overrides, role });
  return { connection, transport, host };
}

/** Carries bytes between two sides until both have nothing more to say. */
export function carry(a: Side, b: Side): void {
  for (;;) {
    a.connection.frameWriter.flush();
    b.connection.frameWriter.flush();
    const [fromA, fromB] = [a.transport.take(), b.transport.take()];
    if (fromA.length + fromB.length === 0) return;
    b.connection.receive(fromA);
    a.connection.receive(fromB);
  }
}

/** A client and a server that know each other's settings. */
export function pairOf(
  client: Partial<ConnectionOptions> = {},
  server: Partial<ConnectionOptions> = {},
): { readonly client: Side; readonly server: Side } {
  const pair = { client: sideOf("client", client), server: sideOf("server", server) };
  carry(pair.client, pair.server);
  return pair;
}

export const getFields: Fields = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"];
export const okFields: Fields = [":status", "200"];
export const postFields: Fields = [":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a"];

/** One side whose peer is played frame by frame; the greetings are over. */
export class Played {
  readonly side: Side;
  readonly #encoder = new HpackEncoder();
  readonly #decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 1 << 20 });

  constructor(role: "client" | "server", overrides: Partial<ConnectionOptions> = {}) {
    this.side = sideOf(role, overrides);
    if (role === "server") this.side.connection.receive(preface);
    this.send(frameType.settings);
    this.sent();
  }

  /** A frame of the peer. */
  send(type: number, flags = 0, id = 0, payload?: Uint8Array): void {
    this.side.connection.receive(frame(type, flags, id, payload));
  }

  block(fields: Fields): Uint8Array {
    const sink = new ByteSink();
    this.#encoder.encode(fields, sink);
    return sink.bytes.slice(0, sink.length);
  }

  /** A header block of the peer. */
  headers(id: number, fields: Fields, ended: boolean): void {
    this.send(frameType.headers, endHeaders | (ended ? endStream : 0), id, this.block(fields));
  }

  /** What this side has sent since the last time. */
  sent(): Frame[] {
    this.side.connection.frameWriter.flush();
    const bytes = this.side.transport.take();
    const isPreface = preface.every((byte, at) => bytes[at] === byte);
    return framesOf(isPreface ? bytes.subarray(preface.length) : bytes);
  }

  /** The fields of a header block that this side sent; all of them must be read, in order. */
  read(found: Frame): Fields {
    return this.#decoder.decode(found.payload, 0, found.payload.length);
  }

  /** What was sent since the last time, in short: `reset 1 8`, `goaway 11`, and names of types. */
  told(): string[] {
    return this.sent().map(({ type, id, payload }) => {
      if (type === frameType.rstStream) return `reset ${id} ${codeName(readUint32(payload, 0))}`;
      if (type === frameType.goaway) return `goaway ${codeName(readUint32(payload, 4))}`;
      if (type === frameType.data) return `data ${id} ${payload.length}`;
      return `${Object.entries(frameType).find(([, number]) => number === type)?.[0]} ${id}`;
    });
  }
}

function codeName(code: number): string {
  return Object.entries(h2).find(([, number]) => number === code)?.[0] ?? String(code);
}
