import type { Connection } from "../../../src/core/connection.ts";
import type { ByteTransport } from "../../../src/http/byte-transport.ts";
import { Http1Connection } from "../../../src/http/http1/http1-connection.ts";
import type { Http1Exchange } from "../../../src/http/http1/http1-exchange.ts";
import type { Http1Limits } from "../../../src/http/http1/http1-limits.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Round numbers, so that a test says which one it means. */
export const testLimits: Http1Limits = {
  headerBytes: 1_000,
  firstByteMs: 10_000,
  headersTimeoutMs: 15_000,
  keepAliveMs: 75_000,
  keepAliveLines: "connection: keep-alive\r\n",
  slowBodyMs: 60_000,
  stalledMs: 300_000,
  minProgressBytes: 1_000,
  earlyMs: 1_000,
  earlyBytes: 5_000,
  aheadBytes: 4_000,
};

/** The bytes of a text. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** A peer that sees what is written, and takes as much of it as a test lets it. */
class TestTransport implements ByteTransport {
  written = "";
  waitingBytes = 0;
  paused = false;
  ended = false;
  closed = false;
  wasReset = false;
  /** Whether the peer takes nothing. */
  full = false;

  write(pieces: readonly (Uint8Array | string)[]): boolean {
    for (const piece of pieces) {
      const bytes = typeof piece === "string" ? encoder.encode(piece) : piece;
      this.written += decoder.decode(bytes);
      if (this.full) this.waitingBytes += bytes.length;
    }
    return !this.full;
  }

  nextTurn(): void {
    throw new Error("HTTP/1.1 writes at once");
  }

  keepAlive(): void {}

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended = true;
  }

  close(): void {
    this.closed = true;
  }

  reset(): void {
    this.wasReset = true;
  }
}

/** What is known of the peer. */
export const testConnection: Connection = {
  remoteAddress: "192.0.2.1",
  encrypted: false,
  httpVersion: "1.1",
  peer: undefined,
};

/** The server's side of a connection, with a test in the place of its peer, its handler and its clock. */
export class TestConnection {
  readonly transport: TestTransport = new TestTransport();
  readonly exchanges: Http1Exchange[] = [];
  readonly errors: string[] = [];
  /** Of each exchange that is over: whether the whole response was handed over. */
  readonly outcomes: boolean[] = [];
  /** As on any real clock, not at 0. */
  readonly #time = { now: 1_700_000_000_000, wallClock: () => 1_700_000_000_000 };
  readonly connection: Http1Connection;

  /** @param onRequest - handles requests as they come; without it they wait in `exchanges` */
  constructor(onRequest?: (exchange: Http1Exchange) => void) {
    this.connection = new Http1Connection(
      this.transport,
      {
        onRequest: (exchange) => {
          this.exchanges.push(exchange);
          onRequest?.(exchange);
        },
        onError: (error) => this.errors.push(error.message),
        connection: testConnection,
        onClose: (_exchange, complete) => this.outcomes.push(complete),
      },
      testLimits,
      this.#time,
    );
  }

  /** The peer sends this, one character a byte. */
  send(text: string): void {
    this.connection.receive(bytesOf(text));
  }

  /** The peer sends this, a byte at a time. */
  drip(text: string): void {
    for (const char of text) this.send(char);
  }

  /** Time passes, with a look at the connection each second. */
  pass(ms: number, eachSecond?: () => void): void {
    for (let left = ms; left > 0; left -= 1_000) {
      this.#time.now += Math.min(left, 1_000);
      eachSecond?.();
      this.connection.check(this.#time.now);
    }
  }

  /** What was written since this was asked last. */
  take(): string {
    const { written } = this.transport;
    this.transport.written = "";
    return written;
  }

  /** The status codes of what was written since this was asked last. */
  statuses(): number[] {
    return [...this.take().matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]));
  }

  /** Whether the connection still takes requests. */
  get open(): boolean {
    return !this.transport.ended && !this.transport.closed && !this.transport.wasReset;
  }
}

/** Responds at once with a short text. */
export function respondOk(exchange: Http1Exchange): void {
  exchange.respond(200, ["content-length", "2"], "ok");
}

export const getRequest = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
