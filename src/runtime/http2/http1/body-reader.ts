import type { MessageBody } from "../message-body.ts";
import { ChunkedDecoder } from "./chunked-decoder.ts";
import type { Http1Limits } from "./http1-limits.ts";
import { Progress } from "./progress.ts";

/** Takes the body of one request off its connection. */
export class BodyReader {
  readonly body: MessageBody;
  /** Whether its reader has enough for now. */
  paused = false;
  readonly #decoder: ChunkedDecoder | undefined;
  readonly #progress = new Progress();
  /** Bytes that are still to come, where that is known. */
  #remaining: number;
  #received = 0;

  /** @param bodyBytes - -1 when it comes in chunks */
  constructor(body: MessageBody, bodyBytes: number, now: number) {
    this.body = body;
    this.#remaining = Math.max(0, bodyBytes);
    this.#decoder = bodyBytes === -1 ? new ChunkedDecoder() : undefined;
    this.#progress.restart(now, 0);
  }

  /** Bytes that are known to come; 0 where nobody knows. */
  get remaining(): number {
    return this.#remaining;
  }

  /**
   * Takes bytes; the body has ended when all of it has come.
   *
   * @returns how many belong to the body
   * @throws Http1Error when its framing is broken
   */
  take(bytes: Uint8Array): number {
    const { body } = this;
    const decoder = this.#decoder;
    let taken: number;
    if (decoder === undefined) {
      taken = Math.min(bytes.length, this.#remaining);
      this.#remaining -= taken;
      body.push(taken === bytes.length ? bytes : bytes.subarray(0, taken));
    } else taken = decoder.decode(bytes, 0, (chunk) => body.push(chunk));
    this.#received += taken;
    if (decoder === undefined ? this.#remaining === 0 : decoder.done) body.end();
    return taken;
  }

  /** Its reader has enough, or wants more: the time in which nobody wanted the body is not the peer's. */
  pause(paused: boolean, now: number): void {
    this.paused = paused;
    this.#progress.restart(now, this.#received);
  }

  /** Whether it comes fast enough. One of unknown length may be a stream of events: slow, but not silent. */
  goesOn(now: number, { slowBodyMs, slowBodyBytes, stalledMs }: Http1Limits): boolean {
    if (this.body.ended || this.paused) return true;
    const known = this.#decoder === undefined;
    const leastBytes = known ? Math.min(slowBodyBytes, this.#remaining) : 1;
    return this.#progress.goesOn(now, this.#received, known ? slowBodyMs : stalledMs, leastBytes);
  }
}
