/** Unused connections are kept so long, in milliseconds, where the server does not announce how long it keeps them. */
export const defaultIdleMs = 4_000;

/** Shorter idle times than this are no server's rule; a connection closed so soon says nothing. */
const shortestMs = 100;

/** What was learned holds so long, in milliseconds: servers change their minds seldom. */
const learnedForMs = 600_000;

/**
 * Servers and proxies count idle time in seconds. What was closed or lost sooner speaks rather of a restart or a crash, and
 * is forgotten sooner: connections that are hardly ever used twice are dear.
 */
const likelyMs = 900;
const unlikelyForMs = 60_000;

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
  readonly #rules = new Map<string, Learned>();
  readonly #suspicions = new Map<string, Learned>();

  /** The longest time that a connection to the origin may have been unused, in milliseconds. */
  limitOf(origin: string, now: number): number {
    return Math.min(limitIn(this.#rules, origin, now), limitIn(this.#suspicions, origin, now));
  }

  /** Says that the other side closed a connection that was unused for so long. */
  closedAfter(origin: string, idleMs: number, now: number): void {
    if (idleMs < shortestMs) return;
    const likely = idleMs >= likelyMs;
    const all = likely ? this.#rules : this.#suspicions;
    const limitMs = Math.min((idleMs * 3) / 4, limitIn(all, origin, now));
    const [oldest] = all.keys();
    if (all.size >= maxOrigins && oldest !== undefined) all.delete(oldest);
    all.set(origin, { limitMs, until: now + (likely ? learnedForMs : unlikelyForMs) });
  }
}

function limitIn(all: Map<string, Learned>, origin: string, now: number): number {
  if (all.size === 0) return Infinity;
  const learned = all.get(origin);
  if (learned === undefined) return Infinity;
  if (now < learned.until) return learned.limitMs;
  all.delete(origin);
  return Infinity;
}
