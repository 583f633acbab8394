import { type RpcCode, rpcCodeFromNumber } from "../core/status.ts";
import type { RetryPolicy } from "../policy/retry-plan.ts";
import { transportFaults } from "../policy/retry-rule.ts";
import { type ClientPolicy, checkPolicy, type MethodPolicy } from "./client-policy.ts";

const who = "policiesFromServiceConfig()";

type Json = Readonly<Record<string, unknown>>;

function refuse(where: string, why: string): never {
  throw new TypeError(`Cannot make ${who}: ${where} ${why}`);
}

function objectOf(where: string, value: unknown): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  return refuse(where, "is no object; pass one as gRPC's service config has it");
}

function listOf(where: string, value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : refuse(where, "is no list; pass one as gRPC's service config has it");
}

/** What the parts are that gRPC knows, and why some of them cannot be taken on. */
function checkParts(where: string, value: Json, known: Readonly<Record<string, true | string>>): void {
  for (const [key, part] of Object.entries(value)) {
    const state = Object.hasOwn(known, key) ? known[key] : undefined;
    if (part === undefined || part === null || state === true) continue;
    const does = Object.keys(known).filter((name) => known[name] === true);
    refuse(
      `${where} "${key}"`,
      state ?? `is no part of it that this function knows; it knows ${does.join(", ")}`,
    );
  }
}

const sizes =
  "is a matter of the transport; leave it out, and pass maxSendBytes or maxMessageBytes to mesh.transport()";
const chosen = "belongs to a list of configs for several clients; pass the serviceConfig of this one";

const configParts: Readonly<Record<string, true | string>> = {
  methodConfig: true,
  retryThrottling: true,
  loadBalancingConfig: true,
  loadBalancingPolicy: true,
  healthCheckConfig: "is not supported; endpoints are judged by their calls: leave it out",
  serviceConfig: chosen,
  clientLanguage: chosen,
  clientHostname: chosen,
  percentage: chosen,
};
const methodParts: Readonly<Record<string, true | string>> = {
  name: true,
  timeout: true,
  waitForReady: true,
  retryPolicy: true,
  hedgingPolicy: "is not supported; leave it out, or use retryPolicy",
  maxRequestMessageBytes: sizes,
  maxResponseMessageBytes: sizes,
  maxRequestBytes: sizes,
  maxResponseBytes: sizes,
};
const retryParts: Readonly<Record<string, true | string>> = {
  maxAttempts: true,
  initialBackoff: true,
  maxBackoff: true,
  backoffMultiplier: true,
  retryableStatusCodes: true,
};

/** Ways to balance that spread calls over all endpoints, as the mesh does in its own way. */
const spreading: readonly string[] = [
  "round_robin",
  "weighted_round_robin",
  "least_request",
  "least_request_experimental",
];

/** `"1.5s"`, or seconds and nanoseconds. */
function millisecondsOf(where: string, value: unknown): number {
  if (typeof value === "string" && /^\d+(?:\.\d{1,9})?s$/.test(value))
    return Number(value.slice(0, -1)) * 1000;
  if (typeof value === "object" && value !== null) {
    const { seconds = 0, nanos = 0 } = value as Json;
    const ms = Number(seconds) * 1000 + Number(nanos) / 1e6;
    if (ms >= 0) return ms;
  }
  return refuse(where, `is ${JSON.stringify(value)}; pass a duration such as "1.5s"`);
}

function numberOf(where: string, value: unknown, min: number): number {
  if (typeof value === "number" && value >= min && value < Infinity) return value;
  return refuse(where, `is ${JSON.stringify(value)}; pass a number of at least ${min}`);
}

function codeOf(where: string, value: unknown): RpcCode {
  for (let number = 1; number <= 16; number++) {
    const code = rpcCodeFromNumber(number);
    const name = code === "canceled" ? "CANCELLED" : code?.toUpperCase();
    if (code !== undefined && (value === number || String(value).toUpperCase() === name)) return code;
  }
  return refuse(where, `names ${JSON.stringify(value)}; pass gRPC's codes, such as "UNAVAILABLE"`);
}

function retryFrom(where: string, value: unknown): RetryPolicy {
  const policy = objectOf(where, value);
  checkParts(where, policy, retryParts);
  const { retryableStatusCodes, maxAttempts, initialBackoff, maxBackoff, backoffMultiplier } = policy;
  const codes = listOf(`${where} retryableStatusCodes`, retryableStatusCodes).map((code) =>
    codeOf(`${where} retryableStatusCodes`, code),
  );
  return {
    // As in gRPC, more than five are five.
    maxAttempts: Math.min(5, numberOf(`${where} maxAttempts`, maxAttempts, 2)),
    backoff: {
      baseMs: millisecondsOf(`${where} initialBackoff`, initialBackoff),
      maxMs: millisecondsOf(`${where} maxBackoff`, maxBackoff),
      factor: numberOf(`${where} backoffMultiplier`, backoffMultiplier, 0),
    },
    // gRPC has one code for all that happens to a connection; here it is told apart from what a server says.
    on: { code: codes, ...(codes.includes("unavailable") && { fault: transportFaults }) },
  };
}

function methodPolicy(where: string, config: Json): MethodPolicy {
  checkParts(where, config, methodParts);
  const { timeout, retryPolicy, waitForReady } = config;
  return {
    ...(timeout != null && { timeoutMs: millisecondsOf(`${where} timeout`, timeout) }),
    // Whoever writes such a policy says that the methods may be repeated on these codes.
    ...(retryPolicy != null && { retry: retryFrom(`${where} retryPolicy`, retryPolicy), idempotent: true }),
    // Checked with the whole.
    ...(waitForReady != null && { waitForReady: waitForReady as boolean }),
  };
}

/** The key in `methods`; empty for the entry of all methods. */
function keyOf(where: string, value: unknown): string {
  const name = objectOf(where, value);
  checkParts(where, name, { service: true, method: true });
  const { service = "", method = "" } = name;
  if (typeof service !== "string" || typeof method !== "string" || (service === "" && method !== "")) {
    return refuse(where, `is ${JSON.stringify(name)}; pass { service, method }, { service } or {}`);
  }
  return service === "" ? "" : `${service}/${method === "" ? "*" : method}`;
}

/** A method with an entry of its own has nothing of the entry of all: what that sets is as it is without it. */
function withoutInherited(own: MethodPolicy, every: MethodPolicy): MethodPolicy {
  return {
    ...(every.timeoutMs !== undefined && { timeoutMs: 30_000 }),
    ...(every.waitForReady !== undefined && { waitForReady: false }),
    ...(every.retry !== undefined && {
      retry: { maxAttempts: 3, backoff: {}, on: { kind: ["retryable", "rejected"] } },
      idempotent: false,
    }),
    ...own,
  };
}

function checkBalancing({ loadBalancingConfig, loadBalancingPolicy }: Json): void {
  const where = "loadBalancingConfig";
  const listed =
    loadBalancingConfig == null
      ? []
      : listOf(where, loadBalancingConfig).flatMap((each) => Object.keys(objectOf(where, each)));
  if (typeof loadBalancingPolicy === "string") listed.push(loadBalancingPolicy.toLowerCase());
  if (listed.length === 0 || listed.some((name) => spreading.includes(name))) return;
  refuse(
    where,
    `is ${listed.join(", ")}, which is not supported; calls are spread over all endpoints: write round_robin, or leave it out`,
  );
}

/** `tokenRatio` of the calls may be retries, and half of the tokens on top in each window. */
function budgetFrom(value: unknown): { ratio: number; minPerSecond: number; windowMs: number } {
  const given = objectOf("retryThrottling", value);
  checkParts("retryThrottling", given, { maxTokens: true, tokenRatio: true });
  const { maxTokens: tokens, tokenRatio } = given;
  const maxTokens = numberOf("retryThrottling maxTokens", tokens, 0);
  const ratio = numberOf("retryThrottling tokenRatio", tokenRatio, 0);
  return { ratio, minPerSecond: maxTokens / 2 / 10, windowMs: 10_000 };
}

/**
 * Reads gRPC's service config, as `grpc-js` takes it, into the policies of one service.
 *
 * `methodConfig` (`name`, `timeout`, `waitForReady`, `retryPolicy`) and `retryThrottling` are taken on, and any way to
 * balance that spreads calls is; what is left is refused by name. `docs/policies.md` says what becomes of each part.
 *
 * @param config - the config, or its JSON
 * @example
 * ```ts
 * const mesh = createMesh({ service: "gateway", policies: { lake: policiesFromServiceConfig(json) } });
 * ```
 * @throws TypeError | RangeError for a part that makes no sense, or that there is no counterpart for
 */
export function policiesFromServiceConfig(config: string | object): ClientPolicy {
  let parsed: unknown = config;
  if (typeof config === "string") {
    try {
      parsed = JSON.parse(config);
    } catch (cause) {
      throw new TypeError(`Cannot make ${who}: the config is no JSON: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
  const given = objectOf("the config", parsed);
  checkParts("the config's", given, configParts);
  checkBalancing(given);
  const { methodConfig = [], retryThrottling } = given;
  const entries = new Map<string, MethodPolicy>();
  listOf("methodConfig", methodConfig).forEach((each, index) => {
    const where = `methodConfig[${index}]`;
    const method = objectOf(where, each);
    const policy = methodPolicy(where, method);
    for (const name of listOf(`${where} name`, method.name)) {
      const key = keyOf(`${where} name`, name);
      if (entries.has(key)) refuse(`${where} name`, `is ${JSON.stringify(name)} for the second time`);
      entries.set(key, policy);
    }
  });
  const every = entries.get("") ?? {};
  entries.delete("");
  const policy: ClientPolicy = {
    ...every,
    ...(retryThrottling != null && { retry: { ...every.retry, budget: budgetFrom(retryThrottling) } }),
    ...(entries.size > 0 && {
      methods: Object.fromEntries([...entries].map(([key, own]) => [key, withoutInherited(own, every)])),
    }),
  };
  checkPolicy(who, policy);
  return policy;
}
