import { type Call, triedOrigins } from "../core/call.ts";
import { nowhereElse, outcomeOfMeshError } from "../core/classifier.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { isMeshError, MeshError } from "../core/errors.ts";
import { checkFunction, checkOptions, type OptionKeys } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import type { AnyLayer, Service } from "../core/service.ts";
import type { Resolver } from "../discovery/resolver.ts";
import { callPolicyOf } from "../policy/call-policy.ts";
import { Refusals } from "../policy/refusals.ts";
import type { Balancer } from "./balancer.ts";
import {
  checkEndpointPolicy,
  checkResolver,
  type EndpointBreakerChange,
  EndpointRegistry,
  type EndpointStatus,
} from "./endpoint-registry.ts";
import type { EndpointPolicy, EndpointRecord, ServiceEndpoints } from "./service-endpoints.ts";

const knownBalancedOptions: OptionKeys<BalancedOptions> = {
  resolver: true,
  balancer: true,
  breaker: true,
  onBreakerChange: true,
  clock: true,
  random: true,
};

/** Options of {@link balanced}. */
export interface BalancedOptions {
  /** Knows where the services are. */
  readonly resolver: Resolver;
  /** Makes the balancer of a service. @default powerOfTwoChoices */
  readonly balancer?: (service: string) => Balancer;
  /** Breakers, one for each endpoint; `false` for none. @default see `createBreaker()` */
  readonly breaker?: EndpointPolicy["breaker"];
  /** Told of each change of a breaker's state, when it is noticed. */
  readonly onBreakerChange?: (change: EndpointBreakerChange) => void;
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
}

/** The layer that {@link balanced} makes, with a view of what it keeps. */
export interface BalancedLayer extends AnyLayer {
  /** The endpoints of all services that were called so far. */
  readonly endpoints: () => readonly EndpointStatus[];
  /** Stops following the resolver, and closes it. */
  readonly close: () => Promise<void>;
}

/** So many endpoints are named in an error. */
const maxNamed = 3;

function afterFailure({ endpoint, breaker }: EndpointRecord): string {
  const last = breaker?.lastFailure;
  return last === undefined ? endpoint.origin : `${endpoint.origin} after ${last}`;
}

function allOpen(call: Call, records: readonly EndpointRecord[], now: number): MeshError {
  let retryAfterMs = Infinity;
  for (const { breaker } of records) {
    if (breaker !== undefined) retryAfterMs = Math.min(retryAfterMs, breaker.retryAfterMs(now));
  }
  retryAfterMs = Math.ceil(retryAfterMs);
  const named = records.slice(0, maxNamed).map(afterFailure).join(", ");
  const which =
    records.length === 1
      ? "the breaker of its endpoint is open"
      : `the breakers of all ${records.length} endpoints are open`;
  const more = records.length > maxNamed ? ", …" : "";
  const when = retryAfterMs < Infinity ? `; try again in ${retryAfterMs} ms` : "";
  return new MeshError("ERR_BREAKER_OPEN", `Cannot call ${call.service}: ${which} (${named}${more})${when}`, {
    ...(retryAfterMs < Infinity && { retryAfterMs }),
  });
}

/** Whether all endpoints but this one have failed the call already, or there are no others. */
function isOnlyOne(call: Call, record: EndpointRecord, records: readonly EndpointRecord[]): boolean {
  const tried = call.get(triedOrigins);
  return records.every((other) => other === record || tried.includes(other.endpoint.origin));
}

/** How often a call that waits looks whether a breaker lets it through: one may close before its time. */
const breakerLookMs = 500;

/** Why a service cannot take the call now; undefined when an endpoint may. */
function unavailable(service: ServiceEndpoints, call: Call, now: number): MeshError | undefined {
  const { records } = service;
  if (records.length === 0) {
    return new MeshError("ERR_NO_ENDPOINTS", `Cannot call ${call.service}: it has no endpoints right now`);
  }
  return records.some((record) => record.available(now)) ? undefined : allOpen(call, records, now);
}

/**
 * The layer that picks an endpoint for each attempt.
 *
 * It sets `call.endpoint`, takes a permit of that endpoint's breaker, counts the attempt as in flight until it ends, and
 * tells the balancer what came of it. The first calls to a service wait until it is resolved.
 *
 * @param serviceOf - finds the service of a call; an error when the resolver does not know it
 * @param waitForReady - whether calls wait, within their deadline, while there is no endpoint to take them
 */
export function endpointChoice(
  serviceOf: (call: Call) => ServiceEndpoints | MeshError,
  clock: Clock,
  waitForReady: boolean = false,
): AnyLayer {
  const refusals = new Refusals(clock);
  const waits = (call: Call): boolean => callPolicyOf(call)?.waitForReady ?? waitForReady;

  function refuse(call: Call, error: MeshError): Promise<never> {
    call.note?.({ type: "refused", error });
    return refusals.reject(error);
  }

  return function endpointChoiceLayer<Req, Res>(next: Service<Req, Res>): Service<Req, Res> {
    function attempt(service: ServiceEndpoints, call: Call, request: Req): Res | Promise<Res> {
      const { records, balancer } = service;
      const start = clock.now();
      const record = records.length === 0 ? undefined : balancer.pick(records, call.get(triedOrigins), start);
      // Kept for the release: another policy brings another breaker.
      const breaker = record?.breaker;
      const permit = breaker === undefined ? 1 : breaker.acquire(call, start);
      if (record === undefined || permit === 0) {
        const why = unavailable(service, call, start) ?? allOpen(call, records, start);
        return waits(call) ? ready(service, call, request, why) : refuse(call, why);
      }
      call.endpoint = record.endpoint;
      call.note?.({ type: "endpoint-picked", origin: record.endpoint.origin, endpoints: records.length });
      const remainingMs = call.deadline - start;
      let observed = false;
      record.inFlight++;
      call.onEnd((outcome) => {
        const now = clock.now();
        record.inFlight--;
        if (outcome.lasting === true && isOnlyOne(call, record, records)) call.set(nowhereElse, true);
        breaker?.release(permit, outcome, remainingMs, now);
        if (!observed) balancer.observe(record, now - start, outcome, now);
      });
      const begun = (response: Res): Res => {
        // How long a stream lasts says nothing about latency; when its response began does.
        if (call.outcome === undefined) {
          observed = true;
          const now = clock.now();
          balancer.observe(record, now - start, undefined, now);
        }
        return response;
      };
      const result = next(call, request);
      return result instanceof Promise ? result.then(begun, (error) => failed(call, error)) : begun(result);
    }

    /** What failed without leaving this process has its turn to wait for, as a refusal has. */
    async function failed(call: Call, error: unknown): Promise<never> {
      const outcome = call.outcome ?? outcomeOfMeshError(error);
      const turn = outcome?.local === true ? refusals.pace() : undefined;
      if (turn !== undefined) await turn;
      throw error;
    }

    return function chooseEndpoint(call, request) {
      const service = serviceOf(call);
      if (service instanceof MeshError) return refuse(call, service);
      if (service.resolved) return attempt(service, call, request);
      return resolved(service, call, request);
    };

    /** Waits until there is an endpoint that may take the call. */
    async function ready(
      service: ServiceEndpoints,
      call: Call,
      request: Req,
      first: MeshError,
    ): Promise<Res> {
      for (let why: MeshError | undefined = first; why !== undefined; ) {
        const lookMs =
          why.retryAfterMs === undefined ? Infinity : Math.min(why.retryAfterMs + 1, breakerLookMs);
        await service.waitFor(call, { forMs: lookMs, patient: true });
        why = unavailable(service, call, clock.now());
      }
      return attempt(service, call, request);
    }

    async function resolved(service: ServiceEndpoints, call: Call, request: Req): Promise<Res> {
      try {
        await service.waitFor(call, { patient: waits(call) });
      } catch (error) {
        return isMeshError(error) && !call.cancelled ? refuse(call, error) : refusals.reject(error);
      }
      return attempt(service, call, request);
    }
  };
}

/**
 * Picks an endpoint for each attempt and keeps watch over it: sets `call.endpoint`, goes through that
 * endpoint's own breaker, counts what is in flight until the call really ends, and feeds the balancer.
 *
 * Belongs inside of a retry, so that each attempt chooses anew and keeps away from where the others failed.
 *
 * @example
 * ```ts
 * const layer = compose(retry(), balanced({ resolver: staticResolver({ lake: ["http://127.0.0.1:7101"] }) }));
 * ```
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function balanced(options: BalancedOptions): BalancedLayer {
  const who = "balanced()";
  checkOptions(who, options, knownBalancedOptions);
  const { clock = systemClock, breaker } = options;
  const policy: EndpointPolicy = { breaker };
  checkEndpointPolicy(policy);
  const registry = new EndpointRegistry({
    resolver: checkResolver(who, options.resolver),
    policyOf: () => policy,
    balancer: checkFunction(who, "balancer", options.balancer),
    onBreakerChange: checkFunction(who, "onBreakerChange", options.onBreakerChange),
    clock,
    random: options.random,
  });
  const layer = endpointChoice((call) => registry.service(call.service) ?? registry.unknown(call), clock);
  return Object.assign(layer, {
    endpoints: () => registry.endpoints(),
    close: () => registry.close(),
  });
}
