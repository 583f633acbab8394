import type { Clock } from "../../core/clock.ts";
import type { ConnectionOptions, Keepalive } from "./connection-options.ts";
import { Http2Error, h2 } from "./frame/frame-types.ts";
import type { Http2Stream } from "./streams/stream.ts";

/** How often what may take only so long is looked at. */
const tickMs = 5_000;
/** A silent connection is noticed after so many parts of its time. */
const silenceParts = 5;
/** What the peer must send or take, where it must get on. */
const defaultProgressBytes = 1_024;
/** The patience with a peer that makes a connection hold a quarter of what it may. */
const pressedMs = 30_000;

/** What {@link TimeLimits} watches. */
interface Host {
  readonly options: ConnectionOptions;
  readonly streams: ReadonlyMap<number, Http2Stream>;
  readonly over: boolean;
  readonly queuedBytes: number;
  readonly maxQueuedBytes: number;
  /** Bytes that have gone out in all. */
  readonly takenBytes: number;
  readonly frameWriter: { readonly congested: boolean };
  readonly window: { readonly withholding: boolean };
  /** A number of the frame or header block that has begun and is not complete; 0 when there is none. */
  readonly incomplete: number;
  reset(stream: Http2Stream, code: number): void;
  ping(onResult: (alive: boolean) => void): void;
  close(): void;
  destroy(code: number, error?: Error): void;
}

/**
 * Ends what a peer holds for too long.
 *
 * One timer looks at everything every 5 s while there is anything to look at, so a stream costs no timer of its own;
 * what has a limit of n seconds ends up to 10 s later. Where a peer must get on, silence is not the measure but the
 * bytes that came: one byte now and then holds nothing.
 */
export class TimeLimits {
  readonly #host: Host;
  readonly #clock: Clock;
  readonly #progressBytes: number;
  #cancelSettings: (() => void) | undefined = undefined;
  #cancelTick: (() => void) | undefined = undefined;
  #cancelSilence: (() => void) | undefined = undefined;
  #cancelPing: (() => void) | undefined = undefined;
  #silentParts = 0;
  #incomplete = 0;
  #incompleteSince = 0;
  #takenBytes = -1;
  #congestedSince = -1;
  /** Whether anything arrived since the connection was last looked at. */
  heard = false;

  constructor(host: Host) {
    this.#host = host;
    const { clock, minProgressBytes } = host.options;
    this.#clock = clock;
    this.#progressBytes = minProgressBytes ?? defaultProgressBytes;
  }

  /** The connection begins. */
  start(): void {
    const host = this.#host;
    const { settingsTimeoutMs, idleMs, keepalive } = host.options;
    this.#cancelSettings = this.#clock.schedule(
      () => host.destroy(h2.settingsTimeout, new Http2Error(h2.settingsTimeout, "the peer sent no SETTINGS")),
      settingsTimeoutMs,
    );
    if (idleMs !== undefined) {
      this.#watchSilence(idleMs, keepalive ?? { intervalMs: idleMs, timeoutMs: idleMs / silenceParts });
    }
  }

  /** The peer's SETTINGS came. */
  settingsCame(): void {
    this.#cancelSettings?.();
    this.#cancelSettings = undefined;
  }

  /** There is something to look at. */
  watch(): void {
    if (this.#cancelTick !== undefined || this.#host.options.stalledMs === undefined) return;
    this.#cancelTick = this.#clock.schedule(() => this.#tick(), tickMs);
  }

  /** The connection is over. */
  stop(): void {
    this.#cancelSettings?.();
    this.#cancelTick?.();
    this.#cancelSilence?.();
    this.#cancelPing?.();
  }

  #tick(): void {
    this.#cancelTick = undefined;
    const host = this.#host;
    const now = this.#clock.now();
    this.#checkIncomplete(now);
    this.#checkTransport(now);
    // Resets change the map; a map bears that.
    for (const stream of host.streams.values()) {
      if (host.over) return;
      if (this.#isStalled(stream, now) || this.#isSlow(stream, now)) host.reset(stream, h2.cancel);
    }
    if (host.over) return;
    if (host.streams.size > 0 || host.incomplete !== 0 || host.frameWriter.congested) this.watch();
  }

  /** Whether the peer takes too little of what waits for it. */
  #isStalled(stream: Http2Stream, now: number): boolean {
    if (stream.queuedBytes === 0) return false;
    if (stream.sentSince === -1) {
      stream.sentSince = now;
      stream.sentBytes = 0;
      return false;
    }
    const { options, queuedBytes, maxQueuedBytes } = this.#host;
    const limit = options.stalledMs!;
    const patience = queuedBytes * 4 > maxQueuedBytes ? Math.min(limit, pressedMs) : limit;
    if (now - stream.sentSince < patience) return false;
    const stalled = stream.sentBytes < Math.min(this.#progressBytes, queuedBytes);
    stream.sentSince = now;
    stream.sentBytes = 0;
    return stalled;
  }

  /** Whether the peer sends too little of the body that its request is nothing without. */
  #isSlow(stream: Http2Stream, now: number): boolean {
    const { slowBodyMs } = this.#host.options;
    if (slowBodyMs === undefined || !stream.bodyExpected || stream.remoteEnded) return false;
    // One that is held back by this side is not slow.
    if (stream.arrivedSince === -1 || stream.paused || this.#host.window.withholding) {
      stream.arrivedSince = now;
      stream.arrivedBytes = 0;
      return false;
    }
    if (now - stream.arrivedSince < slowBodyMs) return false;
    // What is left of a body may be less.
    const left = stream.promisedBytes === -1 ? Infinity : stream.promisedBytes;
    const slow = stream.arrivedBytes < Math.min(this.#progressBytes, left);
    stream.arrivedSince = now;
    stream.arrivedBytes = 0;
    return slow;
  }

  /** A frame or a header block that has begun must become complete. */
  #checkIncomplete(now: number): void {
    const { incomplete, options } = this.#host;
    if (incomplete !== this.#incomplete) {
      this.#incomplete = incomplete;
      this.#incompleteSince = now;
    } else if (incomplete !== 0 && now - this.#incompleteSince >= (options.headersTimeoutMs ?? Infinity)) {
      this.#end("a frame or a header block did not become complete");
    }
  }

  /** A peer that takes no bytes at all is gone, or means harm. */
  #checkTransport(now: number): void {
    const { frameWriter, takenBytes, options } = this.#host;
    if (!frameWriter.congested) {
      this.#congestedSince = -1;
    } else if (this.#congestedSince === -1) {
      this.#congestedSince = now;
      this.#takenBytes = takenBytes;
    } else if (now - this.#congestedSince >= options.stalledMs!) {
      if (takenBytes - this.#takenBytes < this.#progressBytes) this.#end("the peer does not read");
      this.#congestedSince = now;
      this.#takenBytes = takenBytes;
    }
  }

  #end(why: string): void {
    this.#host.destroy(h2.enhanceYourCalm, new Http2Error(h2.enhanceYourCalm, why));
  }

  /** Closes a connection on which nothing is open and nothing comes; of one with open streams, asks whether it lives. */
  #watchSilence(idleMs: number, keepalive: Keepalive): void {
    const partMs = Math.min(idleMs, keepalive.intervalMs) / silenceParts;
    // What is silent for a part more or less is found by counting, not by adding up fractions.
    const [idleParts, pingParts] = [idleMs, keepalive.intervalMs].map((ms) => Math.round(ms / partMs)) as [
      number,
      number,
    ];
    const look = (): void => {
      this.#cancelSilence = this.#clock.schedule(() => {
        this.#silentParts = this.heard ? 0 : this.#silentParts + 1;
        this.heard = false;
        const idle = this.#host.streams.size === 0;
        if (this.#silentParts >= (idle ? idleParts : pingParts)) {
          this.#silentParts = 0;
          if (idle) this.#host.close();
          else this.#ping(keepalive.timeoutMs);
        }
        if (!this.#host.over) look();
      }, partMs);
    };
    look();
  }

  #ping(timeoutMs: number): void {
    if (this.#cancelPing !== undefined) return;
    const cancel = this.#clock.schedule(
      () => this.#host.destroy(h2.cancel, new Error("the peer does not acknowledge a ping")),
      timeoutMs,
    );
    this.#cancelPing = cancel;
    this.#host.ping(() => {
      cancel();
      this.#cancelPing = undefined;
    });
  }
}
