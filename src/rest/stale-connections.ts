import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { isTransportError } from "../core/errors.ts";

/** After a request was lost, the next ones of its kind go over connections of their own for so long, in milliseconds. */
const distrustMs = 60_000;
const longestDistrustMs = 600_000;

/** Origins that something is remembered of. */
const maxOrigins = 1_000;

interface Origin {
  /** When its last exchange ended. */
  usedAt: number;
  distrustedUntil: number;
  distrustMs: number;
}

/** Options of {@link StaleConnections}. */
export interface StaleConnectionsOptions {
  readonly clock: Clock;
  /** An origin that was not called for so long has no connection that a request may be risked on, in milliseconds. */
  readonly idleTimeoutMs: number;
}

/**
 * Tells when a request that may not be repeated should not go over a connection of the platform's pool, where that pool
 * shows nothing of its connections: a request that is written while the other side closes is lost.
 */
export class StaleConnections {
  readonly #options: StaleConnectionsOptions;
  readonly #origins = new Map<string, Origin>();

  constructor(options: StaleConnectionsOptions) {
    this.#options = options;
  }

  /** Whether the call should have a connection of its own. */
  avoids(call: Call, origin: string): boolean {
    if (call.idempotency !== "unknown") return false;
    const known = this.#origins.get(origin);
    if (known === undefined) return false;
    const now = this.#options.clock.now();
    return now < known.distrustedUntil || now - known.usedAt >= this.#options.idleTimeoutMs;
  }

  /** An exchange has ended. */
  used(origin: string): void {
    this.#of(origin).usedAt = this.#options.clock.now();
  }

  /** An exchange failed before anything of a response came. */
  failed(call: Call, origin: string, error: unknown): void {
    if (call.idempotency !== "unknown" || !isTransportError(error) || error.neverStarted) return;
    const known = this.#of(origin);
    const now = this.#options.clock.now();
    if (now < known.distrustedUntil) return;
    const again = now - known.distrustedUntil < longestDistrustMs;
    known.distrustMs = again ? Math.min(known.distrustMs * 2, longestDistrustMs) : distrustMs;
    known.distrustedUntil = now + known.distrustMs;
  }

  #of(origin: string): Origin {
    let known = this.#origins.get(origin);
    if (known === undefined) {
      const [oldest] = this.#origins.keys();
      if (this.#origins.size >= maxOrigins && oldest !== undefined) this.#origins.delete(oldest);
      known = { usedAt: this.#options.clock.now(), distrustedUntil: -Infinity, distrustMs };
      this.#origins.set(origin, known);
    }
    return known;
  }
}
