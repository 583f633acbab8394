import type { Call } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import { quietHook } from "../core/hooks.ts";
import { nearestName } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import type { Resolution, Resolver } from "../discovery/resolver.ts";
import { type BreakerState, createBreaker } from "../policy/breaker.ts";
import { retryBudgetFrom } from "../policy/retry-budget.ts";
import type { Balancer } from "./balancer.ts";
import { powerOfTwoChoices } from "./p2c.ts";
import {
  atOnce,
  type EndpointPolicy,
  ServiceEndpoints,
  type ServiceEndpointsParts,
} from "./service-endpoints.ts";
import { SubchannelReaper } from "./subchannel-reaper.ts";

/** A breaker of one endpoint has changed its state. */
export interface EndpointBreakerChange {
  readonly service: string;
  readonly origin: string;
  readonly to: BreakerState;
  readonly from: BreakerState;
}

/** The connections to one endpoint at one moment, where its transport knows. */
export interface EndpointConnections {
  /** HTTP/2 sessions that take new calls. */
  readonly sessions: number;
  /** Calls that are open, also on sessions that take no new ones. */
  readonly streams: number;
  /** Calls that wait for a place on a session. */
  readonly waiting: number;
}

/** One endpoint of one service as reports and metrics see it. */
export interface EndpointStatus {
  readonly service: string;
  readonly origin: string;
  readonly zone: string | undefined;
  /** Relative share of the load. */
  readonly weight: number;
  readonly inFlight: number;
  /** Moving average in milliseconds; 0 while nothing is known. */
  readonly latencyMs: number;
  /** Undefined when breakers are switched off. */
  readonly breakerState: BreakerState | undefined;
  /** Whether a call may go there now. */
  readonly available: boolean;
  /** The HTTP/2 connections to its origin; undefined when there are none, or where the transport does not tell. */
  readonly connections: EndpointConnections | undefined;
}

/** The transports beneath a registry, as far as its endpoints need them. */
export interface EndpointTransports {
  /** Lets go of what leads to an origin; false when it is still in use, and is to be asked again. */
  release(origin: string): boolean;
  /** The connections at this moment; several entries of one origin are added up. */
  states(): Iterable<EndpointConnections & { readonly endpoint: string }>;
}

/** Options of {@link EndpointRegistry}. */
export interface EndpointRegistryOptions {
  readonly resolver: Resolver;
  /** What limits the calls to a service. @default the defaults for each */
  readonly policyOf?: ((service: string) => EndpointPolicy) | undefined;
  /** Makes the balancer of a service. @default powerOfTwoChoices */
  readonly balancer?: ((service: string) => Balancer) | undefined;
  /** Told of each change of a breaker's state, when it is noticed. */
  readonly onBreakerChange?: ((change: EndpointBreakerChange) => void) | undefined;
  /** Told of each endpoint that the resolver begins to list, or lists no longer. */
  readonly onEndpoint?: ((service: string, origin: string, up: boolean) => void) | undefined;
  /** @default nothing is released, and no connections are known */
  readonly transports?: EndpointTransports | undefined;
  /** @default systemClock */
  readonly clock?: Clock | undefined;
  /** @default systemRandom */
  readonly random?: Random | undefined;
}

/** Origins that are called without a resolver are kept for so many of them. */
const maxDirectOrigins = 256;

const noPolicy: EndpointPolicy = {};

/**
 * The endpoints of all services that a mesh calls, and what is known of them: REST and RPC share it, whatever transport
 * a call takes.
 *
 * A service is resolved with its first call and followed from then on. Its endpoints arrive and leave as the resolution
 * says; the connections to an endpoint that no service lists any more are released after a while. Nothing is kept for
 * names that the resolver does not know.
 */
export class EndpointRegistry {
  readonly #resolver: Resolver;
  readonly #policyOf: (service: string) => EndpointPolicy;
  readonly #transports: EndpointTransports | undefined;
  readonly #clock: Clock;
  readonly #parts: ServiceEndpointsParts;
  readonly #reaper: SubchannelReaper;
  readonly #services = new Map<string, ServiceEndpoints>();
  readonly #direct = new Map<string, ServiceEndpoints>();
  #closed = false;

  constructor(options: EndpointRegistryOptions) {
    const { resolver, policyOf = () => noPolicy, onBreakerChange, transports, clock = systemClock } = options;
    const onEndpoint = options.onEndpoint && quietHook(options.onEndpoint);
    const random = options.random === undefined ? {} : { random: options.random };
    this.#resolver = resolver;
    this.#policyOf = policyOf;
    this.#transports = transports;
    this.#clock = clock;
    this.#reaper = new SubchannelReaper(clock, (origin) => transports?.release(origin) ?? true);
    this.#parts = {
      clock,
      makeBalancer: options.balancer ?? (() => powerOfTwoChoices(random)),
      makeBreaker: (service, origin, { breaker }) =>
        breaker === false
          ? undefined
          : createBreaker({
              ...breaker,
              ...random,
              clock,
              onStateChange: (to, from) => onBreakerChange?.({ service, origin, to, from }),
            }),
      arrived: (origin, service) => {
        this.#reaper.arrived(origin);
        onEndpoint?.(service, origin, true);
      },
      left: (origin, service) => {
        this.#reaper.left(origin);
        onEndpoint?.(service, origin, false);
      },
      gone: (service) => this.#forget(service),
    };
  }

  /** The endpoints of a service; undefined when the resolver does not know it. */
  service(name: string): ServiceEndpoints | undefined {
    const known = this.#services.get(name);
    if (known !== undefined || this.#closed) return known;
    const resolution = atOnce(
      "resolve()",
      this.#resolver.resolve(name),
      "a Resolution, without current until it is known",
    );
    if (resolution === undefined) return undefined;
    const service = new ServiceEndpoints(name, resolution, this.#policyOf(name), this.#parts);
    this.#services.set(name, service);
    try {
      service.start();
    } catch (error) {
      // Nobody follows it: the next call asks anew.
      this.#services.delete(name);
      service.close(error);
      throw error;
    }
    // The resolution may know at once that there is no such service.
    return this.#services.get(name);
  }

  /** The one endpoint of an origin that is called without a resolver; the oldest of 256 makes room for another. */
  direct(origin: string): ServiceEndpoints {
    const known = this.#direct.get(origin);
    if (known !== undefined) return known;
    const { host } = new URL(origin);
    const endpoints = [{ origin }];
    const service = this.#fixed(host, { current: endpoints, watch: () => () => {} });
    const [oldest] = this.#direct.values();
    if (this.#direct.size >= maxDirectOrigins && oldest !== undefined) {
      for (const { endpoint } of oldest.records) {
        this.#direct.delete(endpoint.origin);
        // Where it is an endpoint of a service as well, that one goes on.
        this.#reaper.arrived(endpoint.origin);
        this.#reaper.left(endpoint.origin);
      }
    }
    this.#direct.set(origin, service);
    return service;
  }

  #fixed(name: string, resolution: Resolution): ServiceEndpoints {
    // Nobody is told of them: the program names them, and no resolver.
    const parts = { ...this.#parts, arrived: () => {}, left: () => {} };
    const service = new ServiceEndpoints(name, resolution, this.#policyOf(name), parts);
    service.start();
    return service;
  }

  /** The error for a service that the resolver does not know, or is not asked for any more. */
  unknown(call: Call): MeshError {
    if (this.#closed) return closedError(call.service);
    const hint = knownNames(call.service, this.#resolver.services?.());
    return new MeshError(
      "ERR_SERVICE_UNKNOWN",
      `Cannot call ${call.service}: the resolver knows no service of that name${hint}`,
    );
  }

  /** Takes on the policies anew: what they change begins afresh, all else that is known of the endpoints stays. */
  applyPolicies(): void {
    for (const service of this.#all()) service.apply(this.#policyOf(service.service));
  }

  /** The endpoints of all services that were called so far. */
  endpoints(): readonly EndpointStatus[] {
    const now = this.#clock.now();
    const connections = this.#connectionsByOrigin();
    return [...this.#all()].flatMap(({ service, records }) =>
      records.map((record) => ({
        service,
        origin: record.endpoint.origin,
        zone: record.endpoint.zone,
        weight: record.endpoint.weight ?? 1,
        inFlight: record.inFlight,
        latencyMs: record.latencyMs,
        breakerState: record.breaker?.state,
        available: record.available(now),
        connections: connections.get(record.endpoint.origin),
      })),
    );
  }

  /** Stops following; resolves when the resolver is closed, too. Calls that wait for a service to be resolved fail. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#reaper.close();
    for (const service of this.#all()) service.close(closedError(service.service));
    await this.#resolver.close?.();
  }

  *#all(): Generator<ServiceEndpoints> {
    yield* this.#services.values();
    yield* this.#direct.values();
  }

  #forget(service: ServiceEndpoints): void {
    if (this.#services.get(service.service) !== service) return;
    this.#services.delete(service.service);
    const text = `Cannot call ${service.service}: the resolver knows no service of that name any more`;
    service.close(new MeshError("ERR_SERVICE_UNKNOWN", text));
    service.leave();
  }

  #connectionsByOrigin(): Map<string, EndpointConnections> {
    const byOrigin = new Map<string, EndpointConnections>();
    for (const { endpoint, sessions, streams, waiting } of this.#transports?.states() ?? []) {
      const before = byOrigin.get(endpoint) ?? { sessions: 0, streams: 0, waiting: 0 };
      byOrigin.set(endpoint, {
        sessions: before.sessions + sessions,
        streams: before.streams + streams,
        waiting: before.waiting + waiting,
      });
    }
    return byOrigin;
  }
}

/** An error names no more services than these. */
const maxNames = 10;
/** The nearest name is looked for among so few and short ones only: callers of a gateway may choose what is asked for. */
const maxCompared = 100;
const maxNameLength = 40;

function knownNames(given: string, names: readonly string[] | undefined): string {
  if (names === undefined) return "";
  if (names.length === 0) return "; it knows none";
  const compares = names.length <= maxCompared && given.length <= maxNameLength;
  const near = compares ? nearestName(given, names) : undefined;
  if (near !== undefined) return `; did you mean ${near}?`;
  const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : "";
  return `; it knows ${names.slice(0, maxNames).join(", ")}${more}`;
}

function closedError(service: string): MeshError {
  return new MeshError("ERR_SHUTTING_DOWN", `Cannot call ${service}: its client was closed`);
}

/** @throws TypeError when it is no resolver */
export function checkResolver(who: string, resolver: unknown): Resolver {
  if (typeof (resolver as Resolver | null | undefined)?.resolve === "function") return resolver as Resolver;
  const table =
    typeof resolver === "object" && resolver !== null && Object.values(resolver).some(Array.isArray);
  const what = table
    ? "a table of endpoints and no Resolver; wrap it: staticResolver({ … })"
    : "no Resolver, an object with resolve(); pass one, such as staticResolver({ … })";
  throw new TypeError(`Cannot make ${who}: resolver is ${what}`);
}

/** Checks the parts of a policy that a registry reads, where they are given: breakers are made with the first call. */
export function checkEndpointPolicy({ breaker, budget }: EndpointPolicy): void {
  if (breaker !== undefined && breaker !== false) createBreaker(breaker);
  if (budget !== undefined && budget !== false) retryBudgetFrom(budget);
}
