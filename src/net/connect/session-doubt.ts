import type { Clock } from "../../core/clock.ts";

/** Calls wait so long for a connection in doubt to prove that it works, before another one is opened for them. */
const doubtGraceMs = 250;

/** Whether a connection still works: it is in doubt from a call that timed out unheard until a ping is acknowledged. */
export class SessionDoubt {
  readonly #clock: Clock;
  readonly #pingTimeoutMs: number;
  #since: number | undefined;
  #trustedUntil = 0;

  constructor(clock: Clock, pingTimeoutMs: number) {
    this.#clock = clock;
    this.#pingTimeoutMs = pingTimeoutMs;
  }

  /** Whether it is in doubt. */
  get active(): boolean {
    return this.#since !== undefined;
  }

  /** Whether it is in doubt for so short a time that calls rather wait than open another connection. */
  get hopeful(): boolean {
    return this.#since !== undefined && this.#clock.now() - this.#since < doubtGraceMs;
  }

  /**
   * Whether a call that was given up is reason for doubt.
   *
   * @param unheard - that it timed out, and nothing was heard from the connection since it began
   * @param silentMs - how long nothing was heard
   */
  arises(unheard: boolean, silentMs: number): boolean {
    // Servers count pings, so a slow one that has just proved to be alive is believed for a while.
    return (unheard && this.#clock.now() >= this.#trustedUntil) || silentMs >= this.#pingTimeoutMs;
  }

  /**
   * Doubts until the ping is acknowledged; for good when it is not.
   *
   * @param onChange - called when calls need no longer wait for the outcome, and when they may come again
   */
  begin(ping: Promise<boolean>, onChange: () => void): void {
    this.#since = this.#clock.now();
    const stopGrace = this.#clock.schedule(onChange, doubtGraceMs);
    // A ping resolves whatever happens, and what it tells throws nothing.
    void ping.then((alive) => {
      stopGrace();
      if (!alive) return;
      this.#since = undefined;
      this.#trustedUntil = this.#clock.now() + this.#pingTimeoutMs;
      onChange();
    });
  }
}
