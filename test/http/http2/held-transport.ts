import type { ByteTransport } from "../../../src/http/byte-transport.ts";
import { settle } from "../../support/virtual-clock.ts";

/** One array of many; for more bytes than a test of header blocks has. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const encoder = new TextEncoder();

/** A transport that keeps what it is given, until a test takes it. */
export class HeldTransport implements ByteTransport {
  #pieces: Uint8Array[] = [];
  /** Whether it says that it has enough. */
  full = false;
  waitingBytes = 0;
  ended = false;
  destroyed = false;
  held: boolean | undefined = undefined;

  write(pieces: readonly (Uint8Array | string)[]): boolean {
    for (const piece of pieces) {
      const bytes = typeof piece === "string" ? encoder.encode(piece) : piece;
      this.#pieces.push(bytes);
      this.waitingBytes += bytes.length;
    }
    return !this.full;
  }

  nextTurn(task: () => void): void {
    // What the task throws is an unhandled rejection, which fails the test.
    void settle().then(task);
  }

  pause(): void {}
  resume(): void {}

  take(): Uint8Array {
    this.waitingBytes = 0;
    return concat(this.#pieces.splice(0));
  }

  end(): void {
    this.ended = true;
  }

  close(): void {
    this.destroyed = true;
  }

  reset(): void {
    this.destroyed = true;
  }

  keepAlive(value: boolean): void {
    this.held = value;
  }
}
