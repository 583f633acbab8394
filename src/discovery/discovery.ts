import type { Endpoint } from "../core/endpoint.ts";

/**
 * Knows where services run.
 *
 * Reading is synchronous: a call must not wait for a registry. A source that is asynchronous by nature
 * keeps its last answer and hands that out.
 */
export interface Discovery {
  /**
   * Where a service runs right now; empty when nowhere, undefined when nobody knows of the service.
   *
   * The answer is a snapshot: whoever changes it hands out a new array, and the same array means that
   * nothing has changed, so that a balancer can tell with one comparison.
   */
  endpoints(service: string): readonly Endpoint[] | undefined;
  /** Names of the services that it knows, for error messages and reports; left out when it cannot tell. */
  services?(): readonly string[];
  /** Calls `listener` after each change of a service; the returned function ends that. */
  watch?(service: string, listener: (endpoints: readonly Endpoint[]) => void): () => void;
  /** Lets go of connections and timers. */
  close?(): Promise<void> | void;
}
