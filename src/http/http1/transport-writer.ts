import type { ByteTransport } from "../byte-transport.ts";
import type { Http1Limits } from "./http1-limits.ts";
import { Progress } from "./progress.ts";

/** Hands responses to the transport, and knows how fast the peer takes them. */
export class TransportWriter {
  /** Whether the transport has enough for now. */
  congested = false;
  /** Bytes that were handed to the transport. */
  written = 0;
  readonly #transport: ByteTransport;
  readonly #progress: Progress;
  #whenSent: ((complete: boolean) => void) | undefined = undefined;

  constructor(transport: ByteTransport, now: number) {
    this.#transport = transport;
    this.#progress = new Progress(now);
  }

  /** Writes pieces so that they leave together; false when the transport has enough for now. */
  write(pieces: readonly (string | Uint8Array)[]): boolean {
    for (const piece of pieces) this.written += piece.length;
    const more = this.#transport.write(pieces);
    if (!more) this.congested = true;
    return more;
  }

  /** Whether something that was handed over still waits for the peer. */
  get pending(): boolean {
    return this.#whenSent !== undefined;
  }

  /** Tells when all that was handed over has gone out, or that it never will. Handed over is not sent: a drain waits for that. */
  whenSent(listener: (complete: boolean) => void): void {
    if (this.congested) this.#whenSent = listener;
    else listener(true);
  }

  /** The transport takes more, or has closed. */
  drained(complete: boolean): void {
    const listener = this.#whenSent;
    this.#whenSent = undefined;
    this.congested = false;
    listener?.(complete);
  }

  /** Whether the peer takes what is written fast enough. */
  goesOn(now: number, { stalledMs, minProgressBytes }: Http1Limits): boolean {
    const waiting = this.#transport.waitingBytes;
    return this.#progress.goesOn(now, this.written - waiting, stalledMs, Math.min(waiting, minProgressBytes));
  }
}
