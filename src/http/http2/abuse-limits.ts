import type { ConnectionCore } from "./connection-core.ts";
import { EventBudget } from "./event-budget.ts";
import { Http2Error, h2 } from "./frame/frame-types.ts";
import type { Http2Stream } from "./streams/stream.ts";

/**
 * Resets that a client may cause in an instant, and how many more each second. Each complete exchange allows one
 * more: what counts is the share of the resets, as Envoy has it, at half of all streams. Clients that cancel one call in ten, or hedge every one, stay below it at any speed.
 *
 * A reset after the response has begun is not counted: that is how subscriptions end.
 *
 * That is not earned cheaply. A reset is an attack because it frees a place among the open streams at once, with the work
 * still to be done; a complete exchange keeps its place until the handler has done its work and the response has gone out
 * within the peer's windows. So an attacker who earns resets has to make at least every second stream an ordinary call, at
 * the pace at which the server responds, which is a load that the limits on ordinary calls know. Requests that no handler
 * sees (refused, malformed, 431) earn nothing, and no more than the burst is saved up.
 */
const resetBurst = 1_000;
const resetsPerSecond = 100;
/**
 * Pings and settings that may come in an instant, and each second; keeping a connection alive takes one in some
 * seconds. Pings that follow data are not counted: see {@link AbuseLimits.sentRequest}.
 */
const askBurst = 1_000;
const asksPerSecond = 100;
/**
 * WINDOW_UPDATE frames that may come for each frame of DATA that this side made, and for each stream that the peer
 * opened, as Envoy has it; beyond, as many as in the next two lines.
 */
const updatesPerData = 10;
const updatesPerStream = 2;
const updateBurst = 1_000;
const updatesPerSecond = 100;
/** Frames of no use that may come in a row. */
const maxUselessFrames = 1_000;

/** Ends connections whose peer does what is allowed, but so often that it must be meant to harm. */
export class AbuseLimits {
  readonly #connection: ConnectionCore;
  readonly #resets: EventBudget;
  readonly #asks: EventBudget;
  readonly #updates: EventBudget;
  #updateCount = 0;
  #streamCount = 0;
  #completed = 0;
  #useless = 0;

  constructor(connection: ConnectionCore) {
    this.#connection = connection;
    const { clock } = connection.options;
    this.#resets = new EventBudget(clock, resetBurst, resetsPerSecond);
    this.#asks = new EventBudget(clock, askBurst, asksPerSecond);
    this.#updates = new EventBudget(clock, updateBurst, updatesPerSecond);
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

  /**
   * A frame arrived that does nothing but ask for a reply.
   *
   * @throws Http2Error when they come too often, whether the replies are read or not
   */
  sentRequest(): void {
    if (!this.#asks.take()) throw new Http2Error(h2.enhanceYourCalm, "pings or settings come too often");
  }

  /** The peer opened a stream. */
  opened(): void {
    this.#streamCount++;
  }

  /**
   * A WINDOW_UPDATE arrived.
   *
   * @throws Http2Error when they are too many for what was sent
   */
  windowUpdate(): void {
    const { server, frameWriter, nextId } = this.#connection;
    const streams = server ? this.#streamCount : nextId / 2;
    if (++this.#updateCount <= updatesPerData * frameWriter.dataFrames + updatesPerStream * streams) return;
    this.#updateCount--;
    if (!this.#updates.take()) throw new Http2Error(h2.enhanceYourCalm, "windows are updated too often");
  }

  /** Counts a reset; also one that this side sends, because a peer can provoke those just as well. */
  countReset(): void {
    const { server, completed } = this.#connection;
    if (!server) return;
    this.#resets.give(completed - this.#completed);
    this.#completed = completed;
    if (!this.#resets.take()) {
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
