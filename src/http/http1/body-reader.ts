import { clientGone } from "../exchange.ts";
import { MessageBody } from "../message-body.ts";
import { ChunkedDecoder } from "./chunked-decoder.ts";
import type { Http1Limits } from "./http1-limits.ts";
import { Progress } from "./progress.ts";

/** What a body needs of its connection. */
export interface BodyHost {
  /** Somebody wants the body. */
  wanted(): void;
  /** Its reader has enough, or wants more. */
  flow(): void;
  readonly time: { readonly now: number };
}

/** Takes the body of one request off its connection. */
export class BodyReader {
  readonly body: MessageBody;
  /** Whether its reader has enough for now. */
  paused = false;
  readonly #decoder: ChunkedDecoder | undefined;
  readonly #progress: Progress;
  /** Bytes that are still to come, where that is known. */
  #remaining: number;
  #received = 0;

  /** @param bodyBytes - -1 when it comes in chunks */
  constructor(bodyBytes: number, host: BodyHost) {
    this.#progress = new Progress(host.time.now);
    const pause = (paused: boolean): void => {
      this.paused = paused;
      // The time in which nobody wanted the body is not the peer's.
      this.#progress.restart(host.time.now, this.#received);
      host.flow();
    };
    this.body = new MessageBody(
      { wanted: () => host.wanted(), pause: () => pause(true), resume: () => pause(false) },
      clientGone,
    );
    this.#remaining = Math.max(0, bodyBytes);
    this.#decoder = bodyBytes === -1 ? new ChunkedDecoder() : undefined;
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

  /** Whether it comes fast enough. One of unknown length may be a stream of events: slow, but not silent. */
  goesOn(now: number, { slowBodyMs, minProgressBytes, stalledMs }: Http1Limits): boolean {
    if (this.body.ended || this.paused) return true;
    const known = this.#decoder === undefined;
    const leastBytes = known ? Math.min(minProgressBytes, this.#remaining) : 1;
    return this.#progress.goesOn(now, this.#received, known ? slowBodyMs : stalledMs, leastBytes);
  }
}
