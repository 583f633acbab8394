import type { Registry } from "prom-client";
import { checkMethods, checkNumber, checkOptions, orDefault } from "../core/options.ts";

/** Options of `createMetrics`. */
export interface MetricsOptions {
  /** A registry to report through, so that own metrics stand beside the mesh's. @default a new one */
  readonly registry?: Registry;
  /** Upper bounds of the duration buckets, in seconds, ascending. @default 0.5 ms to 30 s, in 15 steps */
  readonly buckets?: readonly number[];
  /** Label sets that each metric tells apart; what comes after is counted under `other`. @default 500 */
  readonly maxSeries?: number;
}

const defaultBuckets: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/**
 * Checks options, and fills in the defaults.
 *
 * @throws TypeError | RangeError when one has the wrong type or is out of range
 */
export function checkedMetricsOptions(options: MetricsOptions): {
  buckets: readonly number[];
  maxSeries: number;
} {
  const who = "createMetrics()";
  checkOptions<MetricsOptions>(who, options, { registry: true, buckets: true, maxSeries: true });
  const maxSeries = checkNumber(who, "maxSeries", orDefault(options.maxSeries, 500), {
    min: 1,
    integer: true,
  });
  const buckets = orDefault(options.buckets, defaultBuckets);
  if (!Array.isArray(buckets) || buckets.length === 0) {
    throw new TypeError(
      `Cannot make ${who}: buckets is no list; pass upper bounds in seconds, [0.01, 0.1, 1]`,
    );
  }
  checkMethods(who, "registry", options.registry, ["registerMetric", "metrics"], "a Registry of prom-client");
  buckets.forEach((bound, index) => {
    checkNumber(who, `buckets[${index}]`, bound, { min: buckets[index - 1] ?? 0, above: true });
  });
  return { buckets, maxSeries };
}
