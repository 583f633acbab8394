import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { isMeshError, MeshError } from "../core/errors.ts";
import { ignoreRejection, isThenable, quietHook } from "../core/hooks.ts";
import type { ServerIdentity } from "../core/identity.ts";
import { isSame } from "../core/options.ts";
import type { Resolution } from "../discovery/resolver.ts";
import type { Breaker, BreakerOptions } from "../policy/breaker.ts";
import { type Bulkhead, createBulkhead } from "../policy/bulkhead.ts";
import { deadlinesOf } from "../policy/deadline-wheel.ts";
import { type RetryBudget, type RetryBudgetOptions, retryBudgetFrom } from "../policy/retry-budget.ts";
import type { Balancer, EndpointState } from "./balancer.ts";

/** What limits the calls to one service, whatever the protocol. */
export interface EndpointPolicy {
  /** Breakers, one for each endpoint; `false` for none. @default see `createBreaker()` */
  readonly breaker?: Omit<BreakerOptions, "onStateChange" | "clock" | "random"> | false | undefined;
  /** How many retries the calls to the service can afford; `false` for no limit. @default see `retryBudget()` */
  readonly budget?: RetryBudget | RetryBudgetOptions | false | undefined;
  /** Calls in flight to the service; more are refused at once. @default no limit */
  readonly maxConcurrent?: number | undefined;
  /** Who the servers must be, unless an endpoint says otherwise. @default as the endpoints' origins say */
  readonly tls?: ServerIdentity | undefined;
}

/** All that is known of one endpoint of one service; calls by REST and RPC share it. */
export class EndpointRecord implements EndpointState {
  endpoint: Endpoint;
  inFlight = 0;
  latencyMs = 0;
  latencyAt = 0;
  /** Undefined when breakers are switched off. */
  breaker: Breaker | undefined;

  constructor(endpoint: Endpoint, breaker: Breaker | undefined) {
    this.endpoint = endpoint;
    this.breaker = breaker;
  }

  available(now: number): boolean {
    return this.breaker === undefined || this.breaker.ready(now);
  }
}

/** What the endpoints of a service are told, and made, by. */
export interface ServiceEndpointsParts {
  readonly clock: Clock;
  readonly makeBalancer: (service: string) => Balancer;
  readonly makeBreaker: (service: string, origin: string, policy: EndpointPolicy) => Breaker | undefined;
  readonly arrived: (origin: string, service: string) => void;
  readonly left: (origin: string, service: string) => void;
  /** The resolution says that there is no such service. */
  readonly gone: (service: ServiceEndpoints) => void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly patient: boolean;
}

/** How a call waits for a service. */
export interface EndpointWait {
  /** Milliseconds after which it has waited long enough. @default Infinity */
  readonly forMs?: number;
  /** Whether it goes on when resolving fails for now. @default false */
  readonly patient?: boolean;
}

/** An endpoint with who its server must be by the policy, where it does not say so itself. */
function identified(endpoint: Endpoint, tls: ServerIdentity | undefined): Endpoint {
  if (tls === undefined) return endpoint;
  return { ...endpoint, tls: endpoint.tls === undefined ? tls : { ...tls, ...endpoint.tls } };
}

/**
 * What a resolver returned; a promise in its place would end the process when it rejects.
 *
 * @throws TypeError for a promise
 */
export function atOnce<T>(method: string, returned: T, wanted: string): T {
  if (!isThenable(returned)) return returned;
  ignoreRejection(returned);
  throw new TypeError(
    `Cannot resolve a service: ${method} of the resolver returned a promise; return ${wanted} at once`,
  );
}

/** The endpoints of one service, as its resolution says, with what all calls to the service share. */
export class ServiceEndpoints {
  readonly service: string;
  readonly balancer: Balancer;
  readonly #parts: ServiceEndpointsParts;
  readonly #resolution: Resolution;
  readonly #waiting = new Set<Waiter>();
  #unwatch: (() => void) | undefined;
  #snapshot: readonly Endpoint[] | undefined;
  #records: readonly EndpointRecord[] = [];
  #policy: EndpointPolicy;
  #budget: RetryBudget | undefined;
  #bulkhead: Bulkhead | undefined;
  #ended: unknown;

  constructor(service: string, resolution: Resolution, policy: EndpointPolicy, parts: ServiceEndpointsParts) {
    this.service = service;
    this.#parts = parts;
    this.#resolution = resolution;
    this.#policy = policy;
    this.balancer = parts.makeBalancer(service);
    this.#limit(undefined, policy);
  }

  /** The endpoints at this moment: the same array until they change. */
  get records(): readonly EndpointRecord[] {
    return this.#records;
  }

  /** Whether the service was resolved, be it to no endpoint at all. */
  get resolved(): boolean {
    return this.#snapshot !== undefined;
  }

  /** Shared by all that repeat calls to the service; undefined for no limit. */
  get budget(): RetryBudget | undefined {
    return this.#budget;
  }

  /** Undefined for no limit. */
  get bulkhead(): Bulkhead | undefined {
    return this.#bulkhead;
  }

  /** Follows the resolution from now on. */
  start(): void {
    const unwatch = atOnce(
      "watch()",
      this.#resolution.watch(() => this.#look()),
      "a function that ends it",
    );
    this.#unwatch = unwatch;
    this.#look();
    // It may have said at once that there is no such service.
    if (this.#ended !== undefined) unwatch();
  }

  /**
   * Resolves with the next list of endpoints.
   *
   * @throws MeshError `ERR_NO_ENDPOINTS` when resolving fails, `ERR_DEADLINE_EXCEEDED` at the call's deadline; or the
   *   reason for which the call is cancelled
   */
  async waitFor(call: Call, { forMs = Infinity, patient = false }: EndpointWait = {}): Promise<void> {
    const { clock } = this.#parts;
    const since = clock.now();
    const wasResolved = this.resolved;
    if (this.#ended !== undefined) throw this.#ended;
    if (!patient && this.#resolution.error !== undefined) throw this.#failure(this.#resolution.error);
    const deadlines = deadlinesOf(clock);
    let waiter: Waiter | undefined;
    let leave = (): void => {};
    let stop = (): void => {};
    const entry =
      call.deadline < Infinity
        ? deadlines.add(call.deadline, () => {
            const event = wasResolved ? "it had an endpoint to go to" : "the service was resolved";
            const text = `Cannot call ${call.service} ${call.operation}: its deadline has passed before ${event}`;
            call.cancel(new MeshError("ERR_DEADLINE_EXCEEDED", text));
          })
        : undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { resolve, reject, patient };
        this.#waiting.add(waiter);
        if (forMs < Infinity) stop = clock.schedule(resolve, forMs);
        leave = call.onCancel(reject);
      });
    } finally {
      leave();
      stop();
      if (waiter !== undefined) this.#waiting.delete(waiter);
      if (entry !== undefined) deadlines.remove(entry);
    }
    if (!wasResolved) call.note?.({ type: "resolved", waitMs: clock.now() - since });
  }

  /** Takes on another policy: what it changes begins anew, all else stays. */
  apply(policy: EndpointPolicy): void {
    const before = this.#policy;
    this.#policy = policy;
    this.#limit(before, policy);
    if (before.tls !== policy.tls) {
      const listed = new Map(this.#snapshot?.map((endpoint) => [endpoint.origin, endpoint]));
      for (const record of this.#records) {
        const { origin } = record.endpoint;
        record.endpoint = identified(listed.get(origin) ?? { origin }, policy.tls);
      }
    }
    if (isSame(before.breaker, policy.breaker)) return;
    for (const record of this.#records) record.breaker = this.#breakerOf(record.endpoint.origin);
  }

  /** Stops following the resolution; calls that wait for it fail with `reason`. */
  close(reason: unknown): void {
    this.#ended = reason;
    for (const { reject } of this.#waiting) reject(reason);
    const unwatch = this.#unwatch;
    this.#unwatch = undefined;
    // What a resolution makes of its end must not keep others from theirs.
    quietHook(() => unwatch?.())();
    quietHook(() => this.#resolution.close?.())();
  }

  /** Says of each endpoint that it left. */
  leave(): void {
    for (const { endpoint } of this.#records) this.#parts.left(endpoint.origin, this.service);
  }

  #look(): void {
    // Not every resolution stops telling at once.
    if (this.#ended !== undefined) return;
    const { current, error } = this.#resolution;
    if (isMeshError(error, "ERR_SERVICE_UNKNOWN")) this.#parts.gone(this);
    else if (current !== undefined) this.#follow(current);
    else if (error !== undefined && !this.resolved) {
      for (const { reject, patient } of this.#waiting) if (!patient) reject(this.#failure(error));
    }
  }

  /** Endpoints that stay keep what is known of them; calls to those that are gone end undisturbed. */
  #follow(snapshot: readonly Endpoint[]): void {
    if (snapshot === this.#snapshot) return;
    const known = new Map(this.#records.map((record) => [record.endpoint.origin, record]));
    const records = new Map<string, EndpointRecord>();
    for (const endpoint of snapshot) {
      const { origin } = endpoint;
      // The same object for one that stays, or calls in flight would be counted down on another one.
      const record = known.get(origin) ?? new EndpointRecord(endpoint, this.#breakerOf(origin));
      record.endpoint = identified(endpoint, this.#policy.tls);
      records.set(origin, record);
    }
    this.#snapshot = snapshot;
    this.#records = [...records.values()];
    for (const origin of records.keys()) if (!known.has(origin)) this.#parts.arrived(origin, this.service);
    for (const origin of known.keys()) if (!records.has(origin)) this.#parts.left(origin, this.service);
    for (const { resolve } of this.#waiting) resolve();
  }

  #failure(error: unknown): MeshError {
    const why = error instanceof Error ? `: ${error.message}` : "";
    return new MeshError("ERR_NO_ENDPOINTS", `Cannot call ${this.service}: it cannot be resolved now${why}`, {
      cause: error,
    });
  }

  #breakerOf(origin: string): Breaker | undefined {
    return this.#parts.makeBreaker(this.service, origin, this.#policy);
  }

  #limit(before: EndpointPolicy | undefined, { budget, maxConcurrent = Infinity }: EndpointPolicy): void {
    if (before === undefined || !isSame(before.budget, budget)) {
      this.#budget = retryBudgetFrom(budget);
    }
    if (before === undefined || (before.maxConcurrent ?? Infinity) !== maxConcurrent) {
      this.#bulkhead =
        maxConcurrent === Infinity ? undefined : createBulkhead({ maxConcurrent, maxQueued: 0 });
    }
  }
}
