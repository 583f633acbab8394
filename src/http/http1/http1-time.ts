/** What an HTTP/1.1 connection knows of time: it arms no timer, and is told when to look. */
export interface Http1Time {
  /** Monotonic time in milliseconds, as of the last look. */
  readonly now: number;
  /** Milliseconds since the epoch, for the `Date` field. */
  readonly wallClock: () => number;
}
