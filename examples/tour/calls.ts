/** Calls of one kind, as the metrics of the services count them. */
export interface CallCount {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly operation: string;
  readonly calls: number;
  /** Calls whose outcome was neither a success nor a cancellation. */
  readonly failed: number;
  readonly retries: number;
  /** Of all these calls together. */
  readonly seconds: number;
}

/** One service's metrics at one moment. A new life of the process starts from zero again. */
export interface Scrape {
  readonly service: string;
  readonly life: number;
  readonly counts: ReadonlyMap<string, CallCount>;
}

type Labels = Readonly<Record<string, string>>;

/** Reads the calls out of an exposition in Prometheus' text format; `guests` names callers from outside. */
export function callsFromMetrics(
  service: string,
  exposition: string,
  guests: string,
): Map<string, CallCount> {
  const counts = new Map<string, CallCount>();
  const add = (side: "client" | "server", labels: Labels, change: Partial<CallCount>): void => {
    const { protocol = "", operation = "" } = labels;
    const [from, to] = side === "client" ? [service, labels.service ?? ""] : [guests, service];
    const key = [from, to, protocol, operation].join(" ");
    const before = counts.get(key) ?? {
      from,
      to,
      protocol,
      operation,
      calls: 0,
      failed: 0,
      retries: 0,
      seconds: 0,
    };
    counts.set(key, sum(before, change));
  };
  for (const { name, labels, value } of samples(exposition)) {
    if (name === "mesh_client_requests_total") {
      add("client", labels, { calls: value, failed: isFailure(labels.outcome) ? value : 0 });
    } else if (name === "mesh_client_request_duration_seconds_sum") add("client", labels, { seconds: value });
    else if (name === "mesh_client_retries_total") add("client", labels, { retries: value });
    else if (guests === "") continue;
    else if (name === "mesh_server_requests_total") {
      add("server", labels, { calls: value, failed: isFailure(labels.outcome) ? value : 0 });
    } else if (name === "mesh_server_request_duration_seconds_sum") add("server", labels, { seconds: value });
  }
  return counts;
}

/** What was called between two scrapes of the same service. */
export function callsBetween(before: Scrape | undefined, after: Scrape): CallCount[] {
  const base = before?.life === after.life ? before.counts : new Map<string, CallCount>();
  return [...after.counts]
    .map(([key, now]) => sum(now, negative(base.get(key))))
    .filter(({ calls }) => calls > 0);
}

/** Adds the counts of `change` to those of `count`. */
export function sum(count: CallCount, change: Partial<CallCount>): CallCount {
  return {
    ...count,
    calls: count.calls + (change.calls ?? 0),
    failed: count.failed + (change.failed ?? 0),
    retries: count.retries + (change.retries ?? 0),
    seconds: count.seconds + (change.seconds ?? 0),
  };
}

function negative(count: CallCount | undefined): Partial<CallCount> {
  if (count === undefined) return {};
  return { calls: -count.calls, failed: -count.failed, retries: -count.retries, seconds: -count.seconds };
}

function isFailure(outcome = ""): boolean {
  return outcome !== "ok" && outcome !== "cancelled";
}

function* samples(exposition: string): Generator<{ name: string; labels: Labels; value: number }> {
  for (const line of exposition.split("\n")) {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match === null) continue;
    const [, name = "", labelText = "", value = ""] = match;
    const labels = [...labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text]);
    yield { name, labels: Object.fromEntries(labels), value: Number(value) };
  }
}
