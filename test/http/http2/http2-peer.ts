import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, afterEach, before } from "node:test";
import { ByteSink } from "../../../src/http/http2/frame/byte-sink.ts";
import { frameType, preface, readUint32 } from "../../../src/http/http2/frame/frame-types.ts";
import { HpackEncoder } from "../../../src/http/http2/hpack/hpack-encoder.ts";
import {
  http1,
  openTcp,
  serve,
  settled,
  signal,
  type TestServer,
  within,
} from "../../net/listen/listener-fixture.ts";
import { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { type Frame, frame } from "./connection-fixture.ts";

function pseudoOf(method: string, path: string): string[] {
  return [":method", method, ":scheme", "http", ":path", path, ":authority", "a"];
}

/** A client that speaks HTTP/2 frame by frame, and keeps to no rule that a test does not want kept. */
export class RawPeer {
  readonly socket: Socket;
  readonly #encoder = new HpackEncoder();
  readonly #frames: Frame[] = [];
  #rest: Uint8Array = new Uint8Array(0);
  #wake: (() => void) | undefined;
  #closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Uint8Array) => this.#read(chunk));
    socket.once("close", () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  /** Connects, and says the preface and (empty) settings. */
  static async open(cleanup: Cleanup, port: number): Promise<RawPeer> {
    const peer = new RawPeer(await openTcp(cleanup, port));
    peer.write(preface, frame(frameType.settings, 0, 0));
    return peer;
  }

  /** Whether the server has closed. */
  get closed(): boolean {
    return this.#closed;
  }

  write(...pieces: readonly Uint8Array[]): void {
    this.socket.write(new Uint8Array(Buffer.concat(pieces)));
  }

  send(type: number, flags: number, id: number, payload?: Uint8Array): void {
    this.write(frame(type, flags, id, payload));
  }

  /** The block of a request; what is given comes behind the fields that every request has. */
  block(fields: readonly string[], pseudo: readonly string[] = pseudoOf("GET", "/")): Uint8Array {
    const sink = new ByteSink();
    this.#encoder.encode([...pseudo, ...fields], sink);
    return sink.bytes.slice(0, sink.length);
  }

  /** A GET request of its own stream. */
  get(id: number, path = "/"): void {
    this.send(frameType.headers, 0x5, id, this.block([], pseudoOf("GET", path)));
  }

  /** A POST request whose body is still to come. */
  post(id: number, path = "/slow", fields: readonly string[] = []): void {
    this.send(frameType.headers, 0x4, id, this.block(fields, pseudoOf("POST", path)));
  }

  /** The next frame of a type, and of a stream when one is given; frames before it are dropped. */
  async next(type: number, id?: number): Promise<Frame> {
    for (;;) {
      for (let at = 0; at < this.#frames.length; at++) {
        const found = this.#frames[at]!;
        if (found.type !== type || (id !== undefined && found.id !== id)) continue;
        this.#frames.splice(at, 1);
        return found;
      }
      await this.#watcher(`a frame of type ${type}`);
    }
  }

  /** The frames of HEADERS and DATA on a stream, up to the one that ends it. */
  async response(id: number): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (;;) {
      const at = this.#frames.findIndex((each) => each.id === id && each.type <= frameType.headers);
      if (at === -1) {
        await this.#watcher(`the end of stream ${id}`);
        continue;
      }
      const [found] = this.#frames.splice(at, 1);
      frames.push(found!);
      if ((found!.flags & 1) !== 0) return frames;
    }
  }

  /** Waits until something arrives. */
  async #watcher(what: string): Promise<void> {
    if (this.#closed) throw new Error(`The server closed before ${what}`);
    await within(
      new Promise<void>((resolve) => {
        this.#wake = resolve;
      }),
      what,
    );
  }

  /** Whether a frame of the type and stream has arrived. */
  has(type: number, id: number): boolean {
    return this.#frames.some((each) => each.type === type && each.id === id);
  }

  /** Waits until the server has read everything up to here. */
  async settled(): Promise<void> {
    this.send(frameType.ping, 0, 0, new Uint8Array(8));
    let answer: Frame;
    do answer = await this.next(frameType.ping);
    while ((answer.flags & 1) === 0);
  }

  /** The code of the GOAWAY that says why the server closes; then the server must close. */
  async goodbye(): Promise<number> {
    const { payload } = await this.next(frameType.goaway);
    while (!this.#closed) {
      await within(
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
        "the end of the connection",
      );
    }
    return readUint32(payload, 4);
  }

  /** The code of the RST_STREAM that ends a stream. */
  async reset(id: number): Promise<number> {
    return readUint32((await this.next(frameType.rstStream, id)).payload, 0);
  }

  #read(chunk: Uint8Array): void {
    let bytes = new Uint8Array(Buffer.concat([this.#rest, chunk]));
    while (bytes.length >= 9) {
      const end = 9 + ((bytes[0]! << 16) | (bytes[1]! << 8) | bytes[2]!);
      if (bytes.length < end) break;
      const [type, flags, id] = [bytes[3]!, bytes[4]!, readUint32(bytes, 5)];
      this.#frames.push({ type, flags, id, payload: bytes.slice(9, end) });
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** A server under attack, whose `/slow` responds when the test is over. */
export interface Attacked {
  readonly server: TestServer;
  connect(): Promise<RawPeer>;
  /** Lets `/slow` respond. */
  release(): void;
}

/**
 * Has a server for the tests of a suite. Whatever each of them does, nothing of it may be left afterwards, and the next
 * client must be served.
 */
export function attackedServer(): Attacked {
  const cleanup = new Cleanup();
  const perTest = new Cleanup();
  let server: TestServer;
  let slow = signal();
  before(async () => {
    server = await serve(cleanup, async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/large") return new Response(new Uint8Array(4_000_000));
      if (pathname === "/slow") await slow.promise;
      return new Response("plain text");
    });
  });
  after(() => cleanup.run());
  afterEach(async () => {
    await perTest.run();
    slow.fire();
    assert.equal(await settled(server), 0);
    assert.equal((await http1(server.port, { path: "/text" })).text, "plain text");
    slow = signal();
  });
  return {
    get server() {
      return server;
    },
    connect: () => RawPeer.open(perTest, server.port),
    release: () => slow.fire(),
  };
}
