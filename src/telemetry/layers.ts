import type { Call } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Outcome } from "../core/outcome.ts";
import type { AnyLayer } from "../core/service.ts";
import type { Metrics } from "./metrics.ts";

/** Options of {@link clientMetrics} and {@link attemptMetrics}. */
export interface MetricsLayerOptions {
  readonly metrics: Metrics;
  /** @default systemClock */
  readonly clock?: Clock;
}

/**
 * Counts and times outgoing calls, each once, when it ends. The outermost layer of the call level, so that its durations
 * are what the caller waited, retries and back-off included.
 */
export function clientMetrics(options: MetricsLayerOptions): AnyLayer {
  const { metrics, clock = systemClock } = options;
  return function clientMetricsLayer(next) {
    return function counted(call, request) {
      const started = clock.now();
      metrics.clientStarted();
      call.onEnd((outcome) => metrics.clientEnded(call, outcome.status, (clock.now() - started) / 1000));
      return next(call, request);
    };
  };
}

/** Counts attempts. Belongs inside retry, outside breaker and attempt timeout, so that their refusals count too. */
export function attemptMetrics(options: Pick<MetricsLayerOptions, "metrics">): AnyLayer {
  const { metrics } = options;
  const ended = (outcome: Outcome, call: Call): void => metrics.attemptEnded(call, outcome.status);
  return function attemptMetricsLayer(next) {
    return function counted(call, request) {
      call.onEnd(ended);
      return next(call, request);
    };
  };
}
