import type { Clock } from "../core/clock.ts";

/**
 * How long an endpoint that left every service may come back to its connections, in milliseconds. No call goes there
 * meanwhile; a resolver that flaps must not cost a handshake for each endpoint. grpc-go's balancer for lookaside load
 * balancing keeps its subchannels so long, too.
 */
const returnMs = 10_000;

/** Has the connections released that lead to endpoints which no service lists any more. */
export class SubchannelReaper {
  readonly #clock: Clock;
  readonly #release: (origin: string) => boolean;
  /** How many services list an origin. */
  readonly #listed = new Map<string, number>();
  /** Stops the wait for those that have left, by origin. */
  readonly #leaving = new Map<string, () => void>();
  #closed = false;

  /** @param release - lets go of what leads to an origin; false when it is still in use, and is to be asked again */
  constructor(clock: Clock, release: (origin: string) => boolean) {
    this.#clock = clock;
    this.#release = release;
  }

  /** One more service runs there. */
  arrived(origin: string): void {
    this.#listed.set(origin, (this.#listed.get(origin) ?? 0) + 1);
    this.#leaving.get(origin)?.();
    this.#leaving.delete(origin);
  }

  /** One service less runs there. */
  left(origin: string): void {
    const others = (this.#listed.get(origin) ?? 1) - 1;
    if (others > 0) {
      this.#listed.set(origin, others);
      return;
    }
    this.#listed.delete(origin);
    if (!this.#closed) this.#await(origin);
  }

  #await(origin: string): void {
    const stop = this.#clock.schedule(() => {
      this.#leaving.delete(origin);
      if (!this.#release(origin)) this.#await(origin);
    }, returnMs);
    this.#leaving.set(origin, stop);
  }

  /** Stops waiting: all connections are closed by other means. */
  close(): void {
    this.#closed = true;
    for (const stop of this.#leaving.values()) stop();
    this.#leaving.clear();
  }
}
