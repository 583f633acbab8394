import { endpointChoice } from "../balance/endpoint-layer.ts";
import type { EndpointRegistry } from "../balance/endpoint-registry.ts";
import type { ServiceEndpoints } from "../balance/service-endpoints.ts";
import type { Call } from "../core/call.ts";
import { outcomeOfMeshError } from "../core/classifier.ts";
import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { compose, type Layer, type Service } from "../core/service.ts";
import { callPolicyOf } from "../policy/call-policy.ts";
import { limited } from "../policy/limited.ts";
import { Refusals } from "../policy/refusals.ts";
import { type RetryOptions, repeating } from "../policy/retry.ts";
import { attemptTimeout, timeout } from "../policy/timeout.ts";
import { type UserLayerDialect, userLayers } from "../policy/user-layers.ts";
import type { AccessLog } from "../telemetry/access-log.ts";
import { attemptMetrics, clientMetrics } from "../telemetry/layers.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ClientPolicy } from "./client-policy.ts";
import type { ClientLayer, ClientLayers } from "./layers.ts";
import type { ClientPolicies } from "./policies.ts";

/** What the pipelines of a mesh share. */
export interface PipelineParts {
  readonly registry: EndpointRegistry;
  readonly policies: ClientPolicies;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly layers: ClientLayers;
  /** Undefined when no calls are written down. */
  readonly accessLog: AccessLog | undefined;
}

/** What REST and RPC each bring along. */
export interface PipelineDialect<Req, Res>
  extends Pick<RetryOptions, "replayable" | "discard" | "outcomeOf">,
    UserLayerDialect<Res> {
  /** Right inside the retry: what a client does around its own attempts. */
  readonly hooks?: Layer<Req, Res>;
}

/** What metrics call a service that the resolver does not know. */
const unknownLabel = "unknown";

/** The layers around a transport for one service, as the policies of the time have it. */
interface Chain<Req, Res> {
  readonly policies: object;
  readonly run: Service<Req, Res>;
  /** For methods that have policies of their own, by these. */
  readonly ofMethods: WeakMap<object, Service<Req, Res>>;
}

/**
 * The way of calls through all layers to one transport: composed once for each service, and for each method that has
 * policies of its own, and anew when the policies change. What the layers remember (breakers, budgets, calls in flight) is the registry's, so that it outlives them
 * and is the same for every transport.
 */
export class Pipeline<Req, Res> {
  readonly #parts: PipelineParts;
  readonly #dialect: PipelineDialect<Req, Res>;
  readonly #transport: Service<Req, Res>;
  readonly #refusals: Refusals;
  readonly #refused: Service<Req, Res>;
  /** Weak, so that nothing is kept for services that are gone. */
  readonly #chains = new WeakMap<ServiceEndpoints, Chain<Req, Res>>();

  constructor(parts: PipelineParts, dialect: PipelineDialect<Req, Res>, transport: Service<Req, Res>) {
    this.#parts = parts;
    this.#dialect = dialect;
    this.#transport = transport;
    this.#refusals = new Refusals(parts.clock);
    const refused: Service<Req, Res> = (call) => this.#refuse(call);
    this.#refused = parts.accessLog?.made?.(refused) ?? refused;
  }

  /**
   * Calls a service. One that the resolver does not know is refused without keeping anything for its name: callers of
   * a gateway that choose names could fill the memory with pipelines and the metrics with series.
   */
  toService(name: string): Service<Req, Res> {
    const { registry } = this.#parts;
    return (call, request) => {
      const service = registry.service(name);
      return service === undefined ? this.#refused(call, request) : this.#chain(service, call)(call, request);
    };
  }

  /** Calls one origin that no resolver knows. */
  toOrigin(origin: string): Service<Req, Res> {
    return (call, request) => this.#chain(this.#parts.registry.direct(origin), call)(call, request);
  }

  #chain(service: ServiceEndpoints, call: Call): Service<Req, Res> {
    const { policies } = this.#parts;
    let chain = this.#chains.get(service);
    if (chain?.policies !== policies.current) {
      const run = this.#compose(service, policies.of(service.service));
      chain = { policies: policies.current, run, ofMethods: new WeakMap() };
      this.#chains.set(service, chain);
    }
    const ofMethod = callPolicyOf(call)?.ofMethod;
    return ofMethod === undefined ? chain.run : this.#methodChain(chain, service, ofMethod);
  }

  #methodChain(chain: Chain<Req, Res>, service: ServiceEndpoints, policy: object): Service<Req, Res> {
    let run = chain.ofMethods.get(policy);
    if (run === undefined) {
      // Made by `ClientPolicies`, which is the only one to set it.
      run = this.#compose(service, policy as ClientPolicy);
      chain.ofMethods.set(policy, run);
    }
    return run;
  }

  /** Outermost first. `docs/layers.md` gives the reason for each position. */
  #compose(service: ServiceEndpoints, policy: ClientPolicy): Service<Req, Res> {
    const { metrics, clock, random, layers, accessLog: { made, attempted } = {} } = this.#parts;
    const { bulkhead, budget = false } = service;
    const { replayable, discard, outcomeOf, hooks } = this.#dialect;
    const { waitForReady = false, retry = {} } = policy;
    return compose<Req, Res>(
      ...(made === undefined ? [] : [made]),
      clientMetrics({ metrics, clock }),
      ...own<Req, Res>(layers.call, this.#dialect),
      // The deadline itself is set by the code that makes the call: here it is enforced.
      timeout({ timeoutMs: Infinity, clock }),
      ...(bulkhead === undefined ? [] : [limited(bulkhead, { clock })]),
      repeating(
        {
          ...(retry === false ? {} : retry),
          ...(replayable && { replayable }),
          ...(discard && { discard }),
          ...(outcomeOf && { outcomeOf }),
          budget,
          waitForReady,
          clock,
          random,
          onRetry: (call) => metrics.retried(call),
        },
        retry !== false,
      ),
      ...(hooks === undefined ? [] : [hooks]),
      ...(attempted === undefined ? [] : [attempted]),
      attemptMetrics({ metrics }),
      endpointChoice(() => service, clock, waitForReady),
      ...(policy.attemptTimeoutMs === undefined
        ? []
        : [attemptTimeout({ timeoutMs: policy.attemptTimeoutMs, clock })]),
      ...own<Req, Res>(layers.attempt, this.#dialect),
      // What layers do besides responding has the attempt's deadline, too.
      ...(layers.attempt?.length ? [timeout({ timeoutMs: Infinity, clock })] : []),
    )(this.#transport);
  }

  #refuse(call: Call): Promise<never> {
    const { registry, metrics } = this.#parts;
    const { operation, protocol } = call;
    metrics.clientStarted();
    const error = registry.unknown(call);
    const status = outcomeOfMeshError(error)?.status ?? "service_unknown";
    metrics.clientEnded({ service: unknownLabel, operation, protocol }, status, 0);
    call.note?.({ type: "refused", error });
    return this.#refusals.reject(error);
  }
}

/** The pipelines of REST and of RPC carry one kind of request each, and a layer passes on what it was given. */
function own<Req, Res>(
  layers: readonly ClientLayer[] = [],
  dialect: UserLayerDialect<Res>,
): readonly Layer<Req, Res>[] {
  const same = layers as readonly unknown[] as readonly Layer<Req, Res>[];
  return same.length === 0 ? [] : [userLayers(same, dialect)];
}
