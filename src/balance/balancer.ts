import type { Endpoint } from "../core/endpoint.ts";
import type { Outcome } from "../core/outcome.ts";
import type { Breaker } from "../policy/breaker.ts";

/** What is known of one endpoint: the least that a choice and a report need. */
export interface EndpointState {
  readonly endpoint: Endpoint;
  /** Calls that have not ended yet; streams count until they do. */
  inFlight: number;
  /** Moving average of the latency in milliseconds; 0 while nothing is known. */
  latencyMs: number;
  /** When {@link latencyMs} was last brought up to date. */
  latencyAt: number;
  /** Undefined when breakers are switched off. */
  readonly breaker: Breaker | undefined;
}

/** Chooses among the endpoints of one service; each service has a balancer of its own. */
export interface Balancer {
  /**
   * Chooses an endpoint that may be called.
   *
   * @param endpoints - all of them, at least one
   * @param tried - origins that this call has been to, to be avoided while there are others
   * @returns undefined when the breakers let none be called
   */
  pick(endpoints: readonly EndpointState[], tried: readonly string[], now: number): EndpointState | undefined;
  /** Takes in how long an endpoint took to answer, and how. */
  observe(endpoint: EndpointState, elapsedMs: number, outcome: Outcome | undefined, now: number): void;
}
