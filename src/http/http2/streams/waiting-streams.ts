import { h2 } from "../frame/frame-types.ts";
import type { Http2Stream } from "./stream.ts";

/**
 * Bytes that may wait in all streams of a server's connection. Writers that listen to {@link Http2Stream.write} stop at
 * 32 KiB each; this is for those that hand over a whole body, to a peer that asks for many and takes none. It leaves
 * room for a hundred bodies of a megabyte on their way through small windows. A client's are its callers' own.
 */
export const defaultMaxQueuedBytes: Readonly<Record<"client" | "server", number>> = {
  client: Number.POSITIVE_INFINITY,
  server: 128 * 1024 * 1024,
};

/**
 * A peer that takes what it asks for may make so many times more wait: dozens of long responses that are ready in the
 * same moment are no attack, and time limits see to it that they do not wait for long.
 */
const takenFactor = 4;
/** A peer that has granted a stream less than this and makes it wait takes nothing. */
const defaultProgressBytes = 1_024;

/** What {@link WaitingStreams} needs of the connection. */
interface Host {
  readonly options: { readonly minProgressBytes?: number };
  readonly over: boolean;
  readonly sendWindow: number;
  readonly frameWriter: { readonly congested: boolean };
  readonly queuedBytes: number;
  readonly maxQueuedBytes: number;
  reset(stream: Http2Stream, code: number): void;
}

/**
 * The streams of a connection that wait for a window or for the transport.
 *
 * Those whose own window is empty stand apart: nothing but a word about that window helps them, so no other event
 * costs a look at them, however many they are.
 */
export class WaitingStreams {
  readonly #host: Host;
  /** They wait for the connection's window, or for the transport. */
  readonly #shared = new Set<Http2Stream>();
  /** They wait for their own window. */
  readonly #own = new Set<Http2Stream>();
  /** The same, and the peer has taken next to nothing of them. */
  readonly #starved = new Set<Http2Stream>();
  readonly #progressBytes: number;

  constructor(host: Host) {
    this.#host = host;
    this.#progressBytes = host.options.minProgressBytes ?? defaultProgressBytes;
  }

  /** Whether so much waits that nothing new is begun. */
  get full(): boolean {
    const { queuedBytes, maxQueuedBytes } = this.#host;
    if (queuedBytes < maxQueuedBytes) return false;
    return this.#starved.size > 0 || queuedBytes >= maxQueuedBytes * takenFactor;
  }

  /** Puts a stream where it belongs now. */
  add(stream: Http2Stream): void {
    let place = this.#shared;
    if (stream.sendWindow <= 0 && stream.queuedBytes > 0) {
      place = stream.allSentBytes < this.#progressBytes ? this.#starved : this.#own;
    }
    if (place !== this.#shared) this.#shared.delete(stream);
    if (place !== this.#own) this.#own.delete(stream);
    if (place !== this.#starved) this.#starved.delete(stream);
    place.add(stream);
  }

  delete(stream: Http2Stream): void {
    this.#shared.delete(stream);
    this.#own.delete(stream);
    this.#starved.delete(stream);
  }

  /**
   * Makes room for what a stream is about to queue, by resets: first of the streams to which the peer grants nothing,
   * the oldest first. False when that was not enough, and it is the stream itself that was reset.
   */
  relieve(stream: Http2Stream): boolean {
    const host = this.#host;
    while (this.full) {
      const victim: Http2Stream =
        this.#starved.values().next().value ?? this.#own.values().next().value ?? stream;
      victim.failure ??= new Error(
        `More than ${host.maxQueuedBytes} bytes wait for the peer of a connection`,
      );
      host.reset(victim, h2.enhanceYourCalm);
      if (victim === stream) return false;
    }
    return !stream.closed;
  }

  /** The windows of all streams have grown. */
  widened(): void {
    for (const stream of [...this.#own, ...this.#starved]) if (stream.sendWindow > 0) this.add(stream);
  }

  /**
   * Sends what waits, as far as it can; in turn, so that no stream starves the others. `forWindow` says that only
   * a window has grown: a small one must not cost a look at every stream, when the first of them fills it.
   */
  pump(forWindow: boolean): void {
    const host = this.#host;
    let left = this.#shared.size;
    for (const stream of this.#shared) {
      if (left-- === 0 || host.frameWriter.congested || host.over) return;
      if (forWindow && host.sendWindow <= 0) return;
      // It comes back, behind the others, when it still waits.
      this.#shared.delete(stream);
      stream.pump();
    }
  }
}
