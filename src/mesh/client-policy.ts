import { checkEndpointPolicy } from "../balance/endpoint-registry.ts";
import { MeshError } from "../core/errors.ts";
import type { ServerIdentity } from "../core/identity.ts";
import { checkBoolean, checkNumber, checkObject, checkOptions, type OptionKeys } from "../core/options.ts";
import type { Runtime } from "../net/port.ts";
import type { BreakerOptions } from "../policy/breaker.ts";
import { priorities } from "../policy/call-policy.ts";
import type { RetryBudget, RetryBudgetOptions } from "../policy/retry-budget.ts";
import { checkRetryPolicy, type RetryPolicy } from "../policy/retry-plan.ts";
import { checkServerIdentity } from "../security/server-identity.ts";
import { methodKeyFrom } from "./method-key.ts";

/** What the mesh does around the calls of one method. */
export interface MethodPolicy {
  /** The whole call with all its attempts, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number;
  /** One attempt, in milliseconds; never more than what remains of the call. @default no own limit */
  readonly attemptTimeoutMs?: number;
  /** How calls are repeated; `false` for a single attempt. @default 3 attempts, see `retry()` */
  readonly retry?: false | RetryPolicy;
  /**
   * Whether calls may be repeated, whatever their method promises.
   *
   * @default by HTTP method, the proto's `idempotency_level`, or an idempotency key
   */
  readonly idempotent?: boolean;
  /**
   * Travels with the call, for layers of the application's own: 0 matters most, higher numbers less. The mesh itself
   * refuses nothing by it.
   *
   * @default that of the call on whose behalf it is made, or 0
   */
  readonly priority?: number;
  /**
   * Whether calls wait, within their deadline, while there is no endpoint to take them, instead of failing at once: none
   * is known, the breakers of all are open, or nobody listens.
   *
   * @default false
   */
  readonly waitForReady?: boolean;
}

/** What the mesh does around the calls to one service. */
export interface ClientPolicy extends Omit<MethodPolicy, "retry"> {
  /** How calls are repeated; `false` for a single attempt. @default 3 attempts, see `retry()` */
  readonly retry?: false | ServiceRetryPolicy;
  /** One breaker for each endpoint; `false` for none. @default see `circuitBreaker()` */
  readonly breaker?: false | Omit<BreakerOptions, "clock" | "random" | "onStateChange">;
  /** Calls in flight to the service; more are refused at once. @default no limit */
  readonly maxConcurrent?: number;
  /** Who its servers must be; an endpoint's own `tls` wins, field by field. @default as the addresses say */
  readonly tls?: ServerIdentity;
  /**
   * What is different for some methods: of RPC by name (`QueryRows`), as `package.Service/Method` or all of
   * `package.Service/*`; of REST by method and path (`GET /datasets/:name`, `GET /exports/*`). The most specific entry that
   * fits a call wins, and what it leaves out is as the service has it.
   *
   * @default no method is different
   */
  readonly methods?: Readonly<Record<string, MethodPolicy>>;
}

/** How the calls to one service are repeated. */
export interface ServiceRetryPolicy extends RetryPolicy {
  /** How many retries the calls to the service can afford, whatever the method; `false` for no limit. @default retryBudget() */
  readonly budget?: RetryBudget | RetryBudgetOptions | false;
}

/** What decides which policies are possible. */
export type Platform = Pick<Runtime, "name" | "capabilities">;

/** Policies by the name of the called service. */
export type Policies = Readonly<Record<string, ClientPolicy>>;

const knownMethodPolicy: OptionKeys<MethodPolicy> = {
  timeoutMs: true,
  attemptTimeoutMs: true,
  retry: true,
  idempotent: true,
  priority: true,
  waitForReady: true,
};
const knownPolicy: OptionKeys<ClientPolicy> = {
  ...knownMethodPolicy,
  breaker: true,
  maxConcurrent: true,
  tls: true,
  methods: true,
};
const knownServiceRetry: OptionKeys<ServiceRetryPolicy> = {
  maxAttempts: true,
  backoff: true,
  on: true,
  budget: true,
};

/** What stands in an entry of a service and in one of a method. */
function checkCommon(who: string, policy: Omit<MethodPolicy, "retry">): void {
  const bound = { above: true, max: Infinity };
  if (policy.timeoutMs !== undefined) checkNumber(who, "timeoutMs", policy.timeoutMs, bound);
  if (policy.attemptTimeoutMs !== undefined) {
    checkNumber(who, "attemptTimeoutMs", policy.attemptTimeoutMs, bound);
  }
  if (policy.priority !== undefined) checkNumber(who, "priority", policy.priority, priorities);
  checkBoolean(who, "idempotent", policy.idempotent);
  checkBoolean(who, "waitForReady", policy.waitForReady);
}

function checkMethods(who: string, methods: Readonly<Record<string, MethodPolicy>>): void {
  checkObject(`${who} methods`, methods);
  const seen = new Map<string, string>();
  for (const [key, policy] of Object.entries(methods)) {
    const { same } = methodKeyFrom(`${who} methods`, key);
    const before = seen.get(same);
    if (before !== undefined) {
      throw new TypeError(
        `Cannot make ${who} methods: ${JSON.stringify(key)} and ${JSON.stringify(before)} are the same; leave one of them out`,
      );
    }
    seen.set(same, key);
    const method = `${who} methods[${JSON.stringify(key)}]`;
    checkOptions(method, policy, knownMethodPolicy);
    checkCommon(method, policy);
    if (policy.retry !== undefined) checkRetryPolicy(method, policy.retry);
  }
}

/**
 * Checks a policy where it is given: pipelines are made at the first call, too late to complain.
 *
 * @throws TypeError | RangeError when it makes no sense
 * @throws MeshError `ERR_CAPABILITY` for what the runtime cannot do
 */
export function checkPolicy(who: string, policy: ClientPolicy, runtime?: Platform): void {
  checkOptions(who, policy, knownPolicy);
  checkCommon(who, policy);
  const { retry, breaker, maxConcurrent, methods } = policy;
  if (retry !== undefined) checkRetryPolicy(who, retry, knownServiceRetry);
  if (breaker !== undefined && breaker !== false) checkObject(`${who} breaker`, breaker);
  if (maxConcurrent !== undefined) {
    checkNumber(who, "maxConcurrent", maxConcurrent, { min: 1, max: Infinity, integer: true });
  }
  checkEndpointPolicy({ breaker, budget: retry === false ? undefined : retry?.budget });
  if (methods !== undefined) checkMethods(who, methods);
  checkServerIdentity(who, policy.tls);
  if (policy.tls !== undefined && runtime?.capabilities.serverIdentity === false) {
    throw new MeshError(
      "ERR_CAPABILITY",
      `Cannot use tls of ${who} on ${runtime.name}: its fetch verifies the host of the URL alone (capability serverIdentity); leave it out there`,
    );
  }
}

function mergedField<T extends object>(
  below: false | T | undefined,
  above: false | T | undefined,
): false | T | undefined {
  if (above === undefined) return below;
  return above === false || !below ? above : { ...below, ...given(above) };
}

/** Without what is undefined: a file's reader may write it so, and means that it is left out. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

/** The policies of which the latter win, field by field, and so within `retry` and `breaker`. */
export function mergePolicies(below: ClientPolicy, above: ClientPolicy): ClientPolicy {
  const { methods: _, ...merged } = { ...below, ...given(above) };
  const retry = mergedField(below.retry, above.retry);
  const breaker = mergedField(below.breaker, above.breaker);
  return { ...merged, ...(retry !== undefined && { retry }), ...(breaker !== undefined && { breaker }) };
}
