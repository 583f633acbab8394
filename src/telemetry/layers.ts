import type { Call } from "../core/call.ts";
import { type Classifier, defaultClassifier, pending } from "../core/classifier.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Outcome } from "../core/outcome.ts";
import type { AnyLayer, Service } from "../core/service.ts";
import type { Metrics } from "./metrics.ts";

/** Options of {@link clientMetrics} and {@link attemptMetrics}. */
export interface MetricsLayerOptions {
  readonly metrics: Metrics;
  /** @default defaultClassifier */
  readonly classifier?: Classifier;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** Runs the service and tells the verdict once: at its answer, or when the call ends if that is later. */
async function observed<Req, Res>(
  classifier: Classifier,
  next: Service<Req, Res>,
  call: Call,
  request: Req,
  record: (outcome: Outcome) => void,
): Promise<Res> {
  let response: Res;
  try {
    response = await next(call, request);
  } catch (error) {
    record(classifier.error(call, error));
    throw error;
  }
  const verdict = classifier.response(call, response);
  if (verdict === pending) call.onEnd(record);
  else record(verdict);
  return response;
}

/**
 * Counts and times outgoing calls. The outermost layer of the call level, so that its durations are what the
 * caller waited, retries and back-off included.
 */
export function clientMetrics(options: MetricsLayerOptions): AnyLayer {
  const { metrics, classifier = defaultClassifier, clock = systemClock } = options;
  return function clientMetricsLayer(next) {
    return function counted(call, request) {
      const started = clock.now();
      metrics.clientStarted();
      return observed(classifier, next, call, request, (outcome) =>
        metrics.clientEnded(call, outcome.status, (clock.now() - started) / 1000),
      );
    };
  };
}

/** Counts attempts. Belongs inside retry, outside breaker and attempt timeout, so that their refusals count too. */
export function attemptMetrics(options: MetricsLayerOptions): AnyLayer {
  const { metrics, classifier = defaultClassifier } = options;
  return function attemptMetricsLayer(next) {
    return function counted(call, request) {
      return observed(classifier, next, call, request, (outcome) =>
        metrics.attemptEnded(call, outcome.status),
      );
    };
  };
}
