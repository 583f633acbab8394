/** A source of numbers in [0, 1), injectable so that jitter and balancing can be replayed in tests. */
export type Random = () => number;

/** The platform's own source; for jitter and load spreading, not for secrets. */
export const systemRandom: Random = () => Math.random();
