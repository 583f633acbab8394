/** Unused connections are kept so long, in milliseconds, where the server does not announce how long it keeps them. */
export const defaultIdleMs = 4_000;

/** Shorter idle times than this are no server's rule; a connection closed so soon says nothing. */
const shortestMs = 100;

/** What was learned holds so long, in milliseconds: servers change their minds seldom. */
const learnedForMs = 600_000;

/** Origins that something is remembered of. */
const maxOrigins = 1_000;

interface Learned {
  readonly limitMs: number;
  readonly until: number;
}

/**
 * How long connections to each origin may be unused, as learned from those that the other side closed: most servers and
 * proxies do not announce it. A request that is written while the other side closes is lost, and one that may not be
 * repeated is an error then, so connections are given up at three quarters of the time at which that was seen.
 */
export class IdleLimits {
  readonly #learned = new Map<string, Learned>();

  /** The longest time that a connection to the origin may have been unused, in milliseconds. */
  limitOf(origin: string, now: number): number {
    if (this.#learned.size === 0) return Infinity;
    const learned = this.#learned.get(origin);
    if (learned === undefined) return Infinity;
    if (now < learned.until) return learned.limitMs;
    this.#learned.delete(origin);
    return Infinity;
  }

  /** Says that the other side closed a connection that was unused for so long. */
  closedAfter(origin: string, idleMs: number, now: number): void {
    if (idleMs < shortestMs) return;
    const limitMs = Math.min((idleMs * 3) / 4, this.limitOf(origin, now));
    const [oldest] = this.#learned.keys();
    if (this.#learned.size >= maxOrigins && oldest !== undefined) this.#learned.delete(oldest);
    this.#learned.set(origin, { limitMs, until: now + learnedForMs });
  }
}
