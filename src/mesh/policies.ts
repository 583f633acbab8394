import type { EndpointPolicy } from "../balance/service-endpoints.ts";
import { ignoreRejection } from "../core/hooks.ts";
import { checkObject } from "../core/options.ts";
import { borrowedSource, checkedSource, type Source } from "../core/source.ts";
import { type CallDefaults, type CallPolicy, plainCallDefaults } from "../policy/call-policy.ts";
import {
  type ClientPolicy,
  checkPolicy,
  mergePolicies,
  type Platform,
  type Policies,
} from "./client-policy.ts";
import { policyName } from "./client-target.ts";
import { MethodTable } from "./method-table.ts";

/** The entry of `policies` that holds for every service. */
const everyService = "*";

/** What policies say of calls, where `method` is what they say of its method alone. */
function defaultsOf(policy: ClientPolicy, method: CallPolicy | undefined): CallDefaults {
  const { timeoutMs = plainCallDefaults.timeoutMs, idempotent, priority } = policy;
  return { timeoutMs, idempotent, priority, policy: method };
}

/** What the policies say of one service, as one value of their source has it. */
export interface ServicePolicy {
  /** The policy of the service, without its methods. */
  readonly policy: ClientPolicy;
  /** What holds for a call that no entry of `methods` is about. */
  readonly defaults: CallDefaults;
  /** Undefined where no method is different. */
  readonly methods: MethodTable<CallDefaults> | undefined;
}

/** The policy of a service: its own entry wins over that of all services, and an entry of a method over both. */
function servicePolicy(every: ClientPolicy, own: ClientPolicy): ServicePolicy {
  const policy = mergePolicies(every, own);
  const methods = new MethodTable<CallDefaults>();
  for (const entries of [every.methods, own.methods]) {
    for (const [key, entry] of Object.entries(entries ?? {})) {
      methods.add(key, (before) => {
        const below = (before?.policy?.ofMethod as ClientPolicy | undefined) ?? policy;
        const merged = mergePolicies(below, entry);
        return defaultsOf(merged, { ofMethod: merged, retry: undefined, waitForReady: undefined });
      });
    }
  }
  return { policy, defaults: defaultsOf(policy, undefined), methods: methods.empty ? undefined : methods };
}

/** One value of the source: checked as a whole, and merged. */
class PolicySet {
  readonly #byName = new Map<string, ServicePolicy>();
  readonly #other: ServicePolicy;

  constructor(policies: Policies, runtime: Platform) {
    checkObject("the policies of createMesh()", policies);
    for (const [name, policy] of Object.entries(policies)) {
      checkPolicy(`policies["${name}"] of createMesh()`, policy, runtime);
    }
    const every = policies[everyService] ?? {};
    this.#other = servicePolicy(every, {});
    for (const [key, policy] of Object.entries(policies)) {
      if (key === everyService) continue;
      const name = policyName(key);
      if (this.#byName.has(name)) {
        throw new TypeError(
          `Cannot make the policies of createMesh(): two entries are for ${name}; leave one of them out`,
        );
      }
      this.#byName.set(name, servicePolicy(every, policy));
    }
  }

  of(service: string): ServicePolicy {
    return this.#byName.get(service) ?? this.#other;
  }
}

/** The policies of a mesh as they are now; a new value that is no good leaves the one before in use. */
export class ClientPolicies {
  readonly #source: Source<PolicySet>;
  /** The source's value, at hand for every call. */
  #current: PolicySet;

  /**
   * @param onRefused - told why a new value was refused
   * @throws TypeError | RangeError when the first value is no good
   * @throws MeshError `ERR_CAPABILITY` for what the runtime cannot do
   */
  constructor(given: Policies | Source<Policies>, runtime: Platform, onRefused: (error: unknown) => void) {
    this.#source = checkedSource(borrowedSource(given), (each) => new PolicySet(each, runtime), onRefused);
    this.#current = this.#source.current;
    this.#source.watch((changed) => {
      this.#current = changed;
    });
  }

  /** All of them: the same object until they change. */
  get current(): object {
    return this.#current;
  }

  /** The policy of a service: its own entry wins over that of all services, field by field. */
  of(service: string): ClientPolicy {
    return this.#current.of(service).policy;
  }

  /** What the endpoints of a service go by. */
  endpointsOf(service: string): EndpointPolicy {
    const { breaker, maxConcurrent, tls, retry: retries } = this.of(service);
    return { breaker, maxConcurrent, tls, budget: retries === false ? undefined : retries?.budget };
  }

  /** What holds for an RPC, unless its caller says otherwise. */
  forRpc(service: string, operation: string): CallDefaults {
    const { defaults, methods } = this.#current.of(service);
    return methods === undefined ? defaults : (methods.rpc(operation) ?? defaults);
  }

  /** What holds for a REST call, unless its caller says otherwise. */
  forRest(service: string, method: string, target: string, operation: string | undefined): CallDefaults {
    const { defaults, methods } = this.#current.of(service);
    return methods === undefined ? defaults : (methods.rest(method, target, operation) ?? defaults);
  }

  /** Calls `listener` after each change; the returned function ends that. */
  watch(listener: () => void): () => void {
    return this.#source.watch(listener);
  }

  /** Stops following the source. */
  close(): void {
    ignoreRejection(this.#source.close?.());
  }
}
