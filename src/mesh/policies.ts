import { checkEndpointPolicy } from "../balance/endpoint-registry.ts";
import type { EndpointPolicy } from "../balance/service-endpoints.ts";
import { MeshError } from "../core/errors.ts";
import { ignoreRejection } from "../core/hooks.ts";
import { checkNumber, checkObject, checkOptions, type OptionKeys } from "../core/options.ts";
import { borrowedSource, checkedSource, type Source } from "../core/source.ts";
import type { Runtime } from "../net/port.ts";
import { retry } from "../policy/retry.ts";
import { checkServerIdentity } from "../security/server-identity.ts";
import type { ClientPolicy } from "./options.ts";

/** What decides which policies are possible. */
type Platform = Pick<Runtime, "name" | "capabilities">;
type Policies = Readonly<Record<string, ClientPolicy>>;

/** The entry of `policies` that holds for every service. */
const everyService = "*";
const defaultTimeoutMs = 30_000;

const knownPolicy: OptionKeys<ClientPolicy> = {
  timeoutMs: true,
  attemptTimeoutMs: true,
  retry: true,
  breaker: true,
  maxConcurrent: true,
  tls: true,
};

/** Checked where they are given: pipelines are made at the first call, too late to complain. */
function checked(policies: Policies, runtime: Platform): Policies {
  checkObject("the policies of createMesh()", policies);
  for (const [name, policy] of Object.entries(policies)) {
    checkPolicy(`policies["${name}"] of createMesh()`, policy, runtime);
  }
  return policies;
}

function checkPolicy(who: string, policy: ClientPolicy, runtime: Platform): void {
  checkOptions(who, policy, knownPolicy);
  for (const name of ["retry", "breaker"] as const) {
    const value: unknown = policy[name];
    if (value !== undefined && value !== false) checkObject(`${who} ${name}`, value);
  }
  const bound = { above: true, max: Infinity };
  if (policy.timeoutMs !== undefined) checkNumber(who, "timeoutMs", policy.timeoutMs, bound);
  if (policy.attemptTimeoutMs !== undefined) {
    checkNumber(who, "attemptTimeoutMs", policy.attemptTimeoutMs, bound);
  }
  if (policy.maxConcurrent !== undefined) {
    checkNumber(who, "maxConcurrent", policy.maxConcurrent, { min: 1, max: Infinity, integer: true });
  }
  checkServerIdentity(who, policy.tls);
  if (policy.tls !== undefined && !runtime.capabilities.serverIdentity) {
    throw new MeshError(
      "ERR_CAPABILITY",
      `Cannot use tls of ${who} on ${runtime.name}: its fetch verifies the host of the URL alone (capability serverIdentity); leave it out there`,
    );
  }
  if (policy.retry !== undefined && policy.retry !== false) retry(policy.retry);
  checkEndpointPolicy(policy);
}

/** The policies of a mesh as they are now; a new value that is no good leaves the one before in use. */
export class ClientPolicies {
  readonly #source: Source<Policies>;
  /** The source's value, at hand for every call. */
  #current: Policies;

  /**
   * @param onRefused - told why a new value was refused
   * @throws TypeError | RangeError when the first value is no good
   * @throws MeshError `ERR_CAPABILITY` for what the runtime cannot do
   */
  constructor(given: Policies | Source<Policies>, runtime: Platform, onRefused: (error: unknown) => void) {
    this.#source = checkedSource(borrowedSource(given), (each) => checked(each, runtime), onRefused);
    this.#current = this.#source.current;
    this.#source.watch((changed) => {
      this.#current = changed;
    });
  }

  /** All of them: the same object until they change. */
  get current(): Policies {
    return this.#current;
  }

  /** The policy of a service: its own entry wins over that of all services, field by field. */
  of(service: string): ClientPolicy {
    const current = this.#current;
    return { ...current[everyService], ...current[service] };
  }

  /** What the endpoints of a service go by. */
  endpointsOf(service: string): EndpointPolicy {
    const { breaker, maxConcurrent, tls, retry: retries } = this.of(service);
    return { breaker, maxConcurrent, tls, budget: retries === false ? undefined : retries?.budget };
  }

  /** How long a whole call to a service may take, unless the caller says otherwise. */
  timeoutOf(service: string): number {
    const current = this.#current;
    return current[service]?.timeoutMs ?? current[everyService]?.timeoutMs ?? defaultTimeoutMs;
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
