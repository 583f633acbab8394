import { triedOrigins } from "../core/attempts.ts";
import type { Call } from "../core/call.ts";
import { endWithError } from "../core/classifier.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import { checkFunction, checkOptions } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import type { AnyLayer, Service } from "../core/service.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { type BreakerOptions, type BreakerState, createBreaker } from "../policy/breaker.ts";
import { Refusals } from "../policy/refusals.ts";
import type { Balancer, EndpointState } from "./balancer.ts";
import { EndpointSet } from "./endpoint-set.ts";
import { powerOfTwoChoices } from "./p2c.ts";

/** A breaker of one endpoint has changed its state. */
export interface EndpointBreakerChange {
  readonly service: string;
  readonly origin: string;
  readonly to: BreakerState;
  readonly from: BreakerState;
}

/** Options of {@link balanced}. */
export interface BalancedOptions {
  /** Where the services are. */
  readonly discovery: Discovery;
  /** Makes the balancer of a service. @default powerOfTwoChoices */
  readonly balancer?: (service: string) => Balancer;
  /** Breakers, one for each endpoint; `false` for none. @default see `createBreaker()` */
  readonly breaker?: Omit<BreakerOptions, "onStateChange" | "clock" | "random"> | false;
  /** Told of each change of a breaker's state, when it is noticed. */
  readonly onBreakerChange?: (change: EndpointBreakerChange) => void;
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
}

/** One endpoint as reports and metrics see it. */
export interface EndpointStatus {
  readonly service: string;
  readonly origin: string;
  readonly inFlight: number;
  /** Moving average in milliseconds; 0 while nothing is known. */
  readonly latencyMs: number;
  /** Undefined when breakers are switched off. */
  readonly breakerState: BreakerState | undefined;
}

/** The layer that {@link balanced} makes, with a view of what it keeps. */
export interface BalancedLayer extends AnyLayer {
  /** The endpoints of all services that were called so far. */
  readonly endpoints: () => readonly EndpointStatus[];
}

/** The error for a service that discovery does not know. */
export function unknownService(call: Call, discovery: Discovery): MeshError {
  const names = discovery.services?.();
  const known =
    names === undefined ? "" : names.length === 0 ? "; it knows none" : `; it knows ${names.join(", ")}`;
  return new MeshError(
    "ERR_SERVICE_UNKNOWN",
    `Cannot call ${call.service}: discovery knows no service of that name${known}`,
  );
}

function allOpen(call: Call, states: readonly EndpointState[], now: number): MeshError {
  let retryAfterMs = Infinity;
  for (const { breaker } of states) {
    if (breaker !== undefined) retryAfterMs = Math.min(retryAfterMs, breaker.retryAfterMs(now));
  }
  const which =
    states.length === 1
      ? "the breaker of its endpoint is"
      : `the breakers of all ${states.length} endpoints are`;
  return new MeshError("ERR_BREAKER_OPEN", `Cannot call ${call.service}: ${which} open`, {
    ...(retryAfterMs < Infinity && { retryAfterMs: Math.ceil(retryAfterMs) }),
  });
}

/**
 * Chooses an endpoint for each attempt and keeps watch over it: sets `call.endpoint`, goes through that
 * endpoint's own breaker, counts what is in flight until the call really ends, and feeds the balancer.
 *
 * Belongs inside of a retry, so that each attempt chooses anew and keeps away from where the others failed.
 *
 * @example
 * ```ts
 * const layer = compose(retry(), balanced({ discovery: staticDiscovery({ lake: ["http://127.0.0.1:7101"] }) }));
 * ```
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function balanced(options: BalancedOptions): BalancedLayer {
  const who = "balanced()";
  checkOptions(who, options);
  const { discovery, breaker: breakerOptions = {}, clock = systemClock } = options;
  if (typeof discovery?.endpoints !== "function") {
    throw new TypeError(
      `Cannot make ${who}: discovery is no Discovery; pass one, such as staticDiscovery({ … })`,
    );
  }
  const random = options.random === undefined ? {} : { random: options.random };
  const balancerFor =
    checkFunction(who, "balancer", options.balancer) ?? ((): Balancer => powerOfTwoChoices(random));
  const onBreakerChange = checkFunction(who, "onBreakerChange", options.onBreakerChange);
  // Checked here, or a wrong option would come up with the first call.
  if (breakerOptions !== false) createBreaker(breakerOptions);
  const sets = new Map<string, EndpointSet>();
  const refusals = new Refusals(clock);

  function setFor(service: string): EndpointSet {
    let set = sets.get(service);
    if (set === undefined) {
      set = new EndpointSet(balancerFor(service), ({ origin }) => {
        if (breakerOptions === false) return undefined;
        const onStateChange = (to: BreakerState, from: BreakerState): void =>
          onBreakerChange?.({ service, origin, to, from });
        return createBreaker({ ...breakerOptions, ...random, clock, onStateChange });
      });
      sets.set(service, set);
    }
    return set;
  }

  function layer<Req, Res>(next: Service<Req, Res>): Service<Req, Res> {
    return async function routed(call, request) {
      const snapshot = discovery.endpoints(call.service);
      if (snapshot === undefined) {
        sets.delete(call.service);
        return refusals.reject(unknownService(call, discovery));
      }
      const set = setFor(call.service);
      const states = set.follow(snapshot);
      if (states.length === 0) {
        return refusals.reject(
          new MeshError("ERR_NO_ENDPOINTS", `Cannot call ${call.service}: it has no endpoints right now`),
        );
      }
      const start = clock.now();
      const state = set.balancer.pick(states, call.get(triedOrigins), start);
      const permit = state?.breaker === undefined ? 1 : state.breaker.acquire(call, start);
      if (state === undefined || permit === 0) return refusals.reject(allOpen(call, states, start));
      call.endpoint = state.endpoint;
      const remainingMs = call.deadline - start;
      state.inFlight++;
      call.onEnd((outcome) => {
        state.inFlight--;
        state.breaker?.release(permit, outcome, remainingMs);
      });
      let response: Res;
      try {
        response = await next(call, request);
      } catch (error) {
        const outcome = endWithError(call, error);
        const now = clock.now();
        set.balancer.observe(state, now - start, outcome, now);
        const turn = outcome.local ? refusals.pace() : undefined;
        if (turn !== undefined) await turn;
        throw error;
      }
      const now = clock.now();
      // How long a stream lasts says nothing about latency; when its response began does.
      set.balancer.observe(state, now - start, call.outcome, now);
      return response;
    };
  }

  return Object.assign(layer, {
    endpoints: (): readonly EndpointStatus[] =>
      [...sets].flatMap(([service, set]) =>
        set.states.map(({ endpoint, inFlight, latencyMs, breaker }) => ({
          service,
          origin: endpoint.origin,
          inFlight,
          latencyMs,
          breakerState: breaker?.state,
        })),
      ),
  });
}
