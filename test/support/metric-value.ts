import type { Metrics } from "../../src/telemetry/metrics.ts";

/**
 * The value of one series in what a scraper would see; undefined when the series is not there.
 *
 * @param labels - those that matter; others may have any value, and matching series are added up
 */
export async function metricValue(
  metrics: Metrics,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
  let sum: number | undefined;
  for (const line of (await metrics.exposition()).split("\n")) {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match?.[1] !== name) continue;
    const has = Object.entries(labels).every(([label, value]) =>
      `,${match[2] ?? ""},`.includes(`,${label}="${value}",`),
    );
    if (has) sum = (sum ?? 0) + Number(match[3]);
  }
  return sum;
}
