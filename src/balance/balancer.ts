import type { Endpoint } from "../core/endpoint.ts";
import type { Outcome } from "../core/outcome.ts";

/** One endpoint of a service, as a balancer sees it. */
export interface EndpointState {
  readonly endpoint: Endpoint;
  /** Calls that have not ended yet; streams count until they do. */
  inFlight: number;
  /** Moving average of the latency in milliseconds; 0 while nothing is known. */
  latencyMs: number;
  /** When {@link latencyMs} was last brought up to date. */
  latencyAt: number;
  /** Whether it may be called; takes nothing. All that excludes an endpoint, its breaker for one, is asked here. */
  available(now: number): boolean;
}

/** Chooses among the endpoints of one service; each service has a balancer of its own. */
export interface Balancer {
  /**
   * Chooses an endpoint that may be called.
   *
   * @param endpoints - all of them, at least one
   * @param tried - origins that this call has been to, to be avoided while there are others
   * @returns undefined when none is available
   */
  pick<S extends EndpointState>(
    endpoints: readonly S[],
    tried: readonly string[],
    now: number,
  ): S | undefined;
  /**
   * Takes in how long an endpoint took to respond, and with what outcome; undefined when the response has begun and
   * its body or stream is still under way.
   */
  observe(endpoint: EndpointState, elapsedMs: number, outcome: Outcome | undefined, now: number): void;
}
