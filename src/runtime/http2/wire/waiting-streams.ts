import type { Http2Stream } from "./stream.ts";

/** What {@link WaitingStreams} needs of the connection. */
interface Host {
  readonly over: boolean;
  readonly sendWindow: number;
  readonly outbox: { readonly congested: boolean };
}

/** The streams of a connection that wait for a window or for the wire. */
export class WaitingStreams {
  readonly #host: Host;
  readonly #streams = new Set<Http2Stream>();
  readonly #stalledMs: number | undefined;
  readonly #onStall: (stream: Http2Stream) => void;
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;

  /** `onStall` is told of a stream of which the peer took nothing for `stalledMs` to twice that. */
  constructor(host: Host, stalledMs: number | undefined, onStall: (stream: Http2Stream) => void) {
    this.#host = host;
    this.#stalledMs = stalledMs;
    this.#onStall = onStall;
  }

  add(stream: Http2Stream): void {
    this.#streams.add(stream);
    if (this.#timer === undefined) this.#watch();
  }

  delete(stream: Http2Stream): void {
    this.#streams.delete(stream);
  }

  /** No stream is looked after any more. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /**
   * Sends what waits, as far as it can; in turn, so that no stream starves the others. `forWindow` says that only
   * a window has grown: a small one must not cost a look at every stream, when the first of them fills it.
   */
  pump(forWindow: boolean): void {
    const host = this.#host;
    let left = this.#streams.size;
    for (const stream of this.#streams) {
      if (left-- === 0 || host.outbox.congested || host.over) return;
      if (forWindow && host.sendWindow <= 0) return;
      this.#streams.delete(stream);
      this.#streams.add(stream);
      stream.pump();
    }
  }

  #watch(): void {
    if (this.#stalledMs === undefined || this.#host.over) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      for (const stream of [...this.#streams]) {
        if (stream.queuedBytes > 0 && !stream.moved) this.#onStall(stream);
        stream.moved = false;
      }
      if (this.#streams.size > 0) this.#watch();
    }, this.#stalledMs);
  }
}
