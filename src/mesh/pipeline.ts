import { type BalancedLayer, balanced } from "../balance/endpoint-layer.ts";
import type { Clock } from "../core/clock.ts";
import { checkNumber, checkOptions } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import { type AnyLayer, compose } from "../core/service.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { bulkhead } from "../policy/bulkhead.ts";
import { type RetryOptions, retry } from "../policy/retry.ts";
import { attemptTimeout, timeout } from "../policy/timeout.ts";
import { attemptMetrics, clientMetrics } from "../telemetry/layers.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ClientPolicy } from "./options.ts";

/** What the pipelines of a mesh share. */
export interface PipelineParts {
  readonly discovery: Discovery;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
}

/** What REST and RPC each bring along. */
export type PipelineDialect = Pick<RetryOptions, "replayable" | "discard">;

/** The layers around the calls to one service, with a view of its endpoints. */
export type Pipeline = AnyLayer & Pick<BalancedLayer, "endpoints">;

/** Checks a policy where it is given: pipelines are made at the first call, too late to complain. */
export function checkPolicy(who: string, policy: ClientPolicy): void {
  checkOptions(who, policy);
  const bound = { above: true, max: Infinity };
  if (policy.timeoutMs !== undefined) checkNumber(who, "timeoutMs", policy.timeoutMs, bound);
  if (policy.attemptTimeoutMs !== undefined) {
    checkNumber(who, "attemptTimeoutMs", policy.attemptTimeoutMs, bound);
  }
  if (policy.maxConcurrent !== undefined) {
    checkNumber(who, "maxConcurrent", policy.maxConcurrent, { min: 1, max: Infinity, integer: true });
  }
}

/**
 * The layers around every call to one service, REST and RPC alike, outermost first. `docs/decisions/composition-order.md`
 * gives the reason for each position.
 */
export function clientPipeline(
  policy: ClientPolicy,
  parts: PipelineParts,
  dialect: PipelineDialect,
): Pipeline {
  const { clock, random, metrics, discovery } = parts;
  const layers: AnyLayer[] = [clientMetrics({ metrics, clock })];
  // The deadline itself is set by whoever makes the call: here it is enforced.
  layers.push(timeout({ timeoutMs: Infinity, clock }));
  if (policy.maxConcurrent !== undefined && policy.maxConcurrent !== Infinity) {
    layers.push(bulkhead({ maxConcurrent: policy.maxConcurrent, maxQueued: 0, clock }));
  }
  if (policy.retry !== false) {
    layers.push(
      retry({
        ...policy.retry,
        clock,
        random,
        ...(dialect.replayable && { replayable: dialect.replayable }),
        ...(dialect.discard && { discard: dialect.discard }),
        onRetry: (call) => metrics.retried(call),
      }),
    );
  }
  const toEndpoints = balanced({
    discovery,
    random,
    clock,
    ...(policy.breaker !== undefined && { breaker: policy.breaker }),
  });
  layers.push(attemptMetrics({ metrics }), toEndpoints);
  if (policy.attemptTimeoutMs !== undefined) {
    layers.push(attemptTimeout({ timeoutMs: policy.attemptTimeoutMs, clock }));
  }
  return Object.assign(compose(...layers), { endpoints: toEndpoints.endpoints });
}
