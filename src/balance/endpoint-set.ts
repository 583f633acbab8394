import type { Endpoint } from "../core/endpoint.ts";
import type { Breaker } from "../policy/breaker.ts";
import type { Balancer, EndpointState } from "./balancer.ts";

/** The endpoints of one service and what is known of each; follows what discovery says. */
export class EndpointSet {
  readonly balancer: Balancer;
  readonly #breakerFor: (endpoint: Endpoint) => Breaker | undefined;
  #snapshot: readonly Endpoint[] | undefined;
  #states: readonly EndpointState[] = [];

  constructor(balancer: Balancer, breakerFor: (endpoint: Endpoint) => Breaker | undefined) {
    this.balancer = balancer;
    this.#breakerFor = breakerFor;
  }

  /** The endpoints as of the last {@link follow}. */
  get states(): readonly EndpointState[] {
    return this.#states;
  }

  /**
   * Takes on a snapshot of discovery. Endpoints that stay keep what is known of them; calls to those that
   * are gone end undisturbed.
   */
  follow(snapshot: readonly Endpoint[]): readonly EndpointState[] {
    if (snapshot === this.#snapshot) return this.#states;
    const known = new Map(this.#states.map((state) => [state.endpoint.origin, state]));
    this.#states = snapshot.map((endpoint) => {
      const before = known.get(endpoint.origin);
      if (before === undefined) {
        const breaker = this.#breakerFor(endpoint);
        return { endpoint, inFlight: 0, latencyMs: 0, latencyAt: 0, breaker };
      }
      // The same object, or calls in flight would be counted down on another one.
      return before.endpoint === endpoint ? before : Object.assign(before, { endpoint });
    });
    this.#snapshot = snapshot;
    return this.#states;
  }
}
