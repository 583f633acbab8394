import type { ByteTransport } from "../byte-transport.ts";
import { Progress } from "./progress.ts";

/** Makes the peer wait. While it waits, its end of the connection goes unnoticed: so it must not wait for ever. */
export class InputPause {
  readonly #transport: ByteTransport;
  readonly #progress: Progress;
  /** Whether enough has come for requests that wait for their turn. */
  #full = false;
  /** Whether the reader of the body has enough. */
  #bodyPaused = false;
  /** Whether the peer began to wait since this was looked at. */
  #fresh = true;

  constructor(transport: ByteTransport, now: number) {
    this.#transport = transport;
    this.#progress = new Progress(now);
  }

  /** Requests that wait for their turn are enough, or no longer. */
  fill(full: boolean): void {
    if (full === this.#full) return;
    this.#full = full;
    this.#apply();
  }

  /** The reader of the body has enough, or wants more. */
  pauseBody(paused: boolean): void {
    this.#bodyPaused = paused;
    this.#apply();
  }

  #apply(): void {
    const closed = this.#full || this.#bodyPaused;
    if (closed) this.#fresh = true;
    this.#transport[closed ? "pause" : "resume"]();
  }

  /**
   * Whether anything moves while the peer waits for more than a handler that works.
   *
   * @param written - bytes that were written so far
   */
  goesOn(now: number, written: number, responded: boolean, stalledMs: number): boolean {
    const waits = this.#full || (this.#bodyPaused && responded);
    if (waits && !this.#fresh) return this.#progress.goesOn(now, written, stalledMs, 1);
    this.#fresh = !waits;
    this.#progress.restart(now, written);
    return true;
  }
}
