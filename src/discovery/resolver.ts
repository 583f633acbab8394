import type { Endpoint } from "../core/endpoint.ts";
import type { Source } from "../core/source.ts";

/**
 * Where one service runs, as it changes. It begins to work when the resolver hands it out, and ends with `close()`.
 *
 * `current` is a snapshot: a change is a new array. It is empty when the service runs nowhere right now, and undefined
 * when that is not known (yet). Calls wait for the first value; from then on the last one stays in use, whatever fails.
 *
 * Listeners are called after a change of `current` or of `error`.
 */
export interface Resolution extends Source<readonly Endpoint[] | undefined> {
  /**
   * Why resolving fails for now; undefined while it does not. Calls that wait for the first value fail with
   * `ERR_NO_ENDPOINTS` and this as its cause.
   *
   * A `MeshError` with the code `ERR_SERVICE_UNKNOWN` says that there is no service of that name, or no more: all that
   * is kept of the service is forgotten then, and its next call asks the resolver anew.
   */
  readonly error?: unknown;
}

/**
 * Knows where services run: a list, DNS, or a registry such as etcd, Kubernetes or xDS.
 *
 * A call never waits for it, except for the first value of a service.
 */
export interface Resolver {
  /**
   * Begins to resolve a service; undefined when nobody knows of a service of that name.
   *
   * Names may come from outside (a gateway's path), so nothing may be kept for those that are unknown. A mesh resolves
   * each service once, with its first call, and closes what it got.
   */
  resolve(service: string): Resolution | undefined;
  /** Names of the services that it knows, for error messages and reports; left out when it cannot tell. */
  services?(): readonly string[];
  /** Lets go of connections and timers; a mesh closes its resolver with itself. */
  close?(): void | Promise<void>;
}
