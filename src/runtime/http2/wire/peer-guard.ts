import type { ConnectionCore } from "./connection-core.ts";
import { Http2Error, h2 } from "./frames.ts";
import { RateGuard } from "./rate-guard.ts";
import type { Http2Stream } from "./stream.ts";

/** Resets that a client may cause in an instant, and how many more each second. */
const resetBurst = 1_000;
const resetsPerSecond = 100;
/** Frames of no use that may come in a row. */
const maxUselessFrames = 1_000;

/** Ends connections whose peer does what is allowed, but so often that it must be meant to harm. */
export class PeerGuard {
  readonly #connection: ConnectionCore;
  readonly #resets: RateGuard = new RateGuard(resetBurst, resetsPerSecond);
  #useless = 0;

  constructor(connection: ConnectionCore) {
    this.#connection = connection;
  }

  /** A frame that carried something arrived. */
  usefulFrame(): void {
    this.#useless = 0;
  }

  /** @throws Http2Error when there were too many in a row */
  uselessFrame(): void {
    if (++this.#useless > maxUselessFrames) {
      throw new Http2Error(h2.enhanceYourCalm, "too many frames without any use");
    }
  }

  /** Counts a reset; also one that this side sends, because a peer can provoke those just as well. */
  countReset(): void {
    if (this.#connection.server && !this.#resets.take()) {
      throw new Http2Error(h2.enhanceYourCalm, "streams are reset too often");
    }
  }

  /** Resets a stream whose message is malformed. */
  malformed(stream: Http2Stream): void {
    this.reset(stream, h2.protocolError);
  }

  /** Resets a stream for what the peer did. */
  reset(stream: Http2Stream, code: number): void {
    this.countReset();
    this.#connection.reset(stream, code);
  }

  /** @throws Http2Error for a frame on a stream that nobody ever opened */
  mustNotBeIdle(id: number, what: string): void {
    const { server, lastPeerId, nextId } = this.#connection;
    if (id !== 0 && this.#connection.wasGivenUp(id)) return;
    const mine = server ? id % 2 === 0 : id % 2 === 1;
    if (id === 0 || (mine ? server || id >= nextId : id > lastPeerId)) {
      throw new Http2Error(h2.protocolError, `${what} for stream ${id}, which was never opened`);
    }
  }
}
