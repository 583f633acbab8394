import { duration, heading, number, print, styled, table } from "./account.ts";
import { type CallCount, callsBetween, callsFromMetrics, type Scrape, sum } from "./calls.ts";
import type { Step, Tour } from "./tour.ts";

/** A caller from outside of the mesh. */
const guests = "you";
const stepTimeoutMs = 60_000;

/** Runs the steps one after the other and tells, from the services' own metrics, what each of them caused. */
export class TourGuide {
  readonly #tour: Tour;
  readonly #runtimes: ReadonlyMap<string, string>;
  readonly #totals = new Map<string, CallCount>();
  #number = 0;

  constructor(tour: Tour, runtimes: ReadonlyMap<string, string>) {
    this.#tour = tour;
    this.#runtimes = runtimes;
  }

  /** @throws whatever makes the step fail */
  async run(step: Step): Promise<void> {
    heading(`${++this.#number}  ${step.title}`);
    const before = await this.#scrape();
    const begun = performance.now();
    const limit = AbortSignal.timeout(stepTimeoutMs);
    const late = new Promise<never>((_, reject) => {
      limit.onabort = () => reject(new Error(`Not done after ${stepTimeoutMs / 1000} s`));
    });
    try {
      await Promise.race([step.run(this.#tour), late]);
    } finally {
      limit.onabort = null;
    }
    const ms = performance.now() - begun;
    const after = await this.#scrape();
    const calls = after.flatMap((scrape, i) => callsBetween(before[i], scrape));
    if (calls.length > 0) print(this.#callTable(calls, "dim"), 3);
    print(styled("green", `✓ ${duration(ms)}`), 3);
    for (const call of calls) this.#add(call);
  }

  /** The account of the whole tour: who called whom, how, how often, how long, what was retried. */
  printTotals(): void {
    heading("Who called whom, as the services count it");
    print(this.#callTable([...this.#totals.values()]), 3);
    print(
      styled(
        "dim",
        "Mean times. The gateway's responses count to their first byte, all other calls to their end.",
      ),
      3,
    );
  }

  #add(call: CallCount): void {
    const key = [call.from, call.to, call.protocol, call.operation].join(" ");
    const known = this.#totals.get(key);
    this.#totals.set(key, known === undefined ? call : sum(known, call));
  }

  #callTable(calls: readonly CallCount[], style?: "dim"): string {
    const rows = [...calls]
      .sort(byRoute)
      .map(({ from, to, protocol, operation, calls, failed, retries, seconds }) => [
        this.#nameOf(from),
        "→",
        this.#nameOf(to),
        protocolNames[protocol] ?? protocol,
        operation.replace(/^datapunk\.\w+\.v1\./, ""),
        `${number(calls)} ×`,
        duration((seconds / calls) * 1000),
        retries === 0 ? "" : `${number(retries)} retried`,
        failed === 0 ? "" : `${number(failed)} refused or failed`,
      ]);
    const text = table([left, left, left, left, left, right, right, left, left], rows);
    return style === undefined
      ? text
      : text
          .split("\n")
          .map((line) => styled(style, line))
          .join("\n");
  }

  #nameOf(service: string): string {
    const runtime = this.#runtimes.get(service);
    return runtime === undefined ? service : `${service} (${runtime.split(" ")[0]})`;
  }

  /** The metrics of all services, read over the mesh itself. */
  #scrape(): Promise<Scrape[]> {
    const { fleet, operator } = this.#tour;
    return Promise.all(
      fleet.names.map(async (service) => {
        const text = await operator.rest(service).get("metrics").text();
        const counts = callsFromMetrics(service, text, service === "gateway" ? guests : "");
        return { service, life: fleet.life(service), counts };
      }),
    );
  }
}

const left = { title: "" };
const right = { title: "", align: "right" } as const;

const protocolNames: Readonly<Record<string, string>> = {
  rest: "REST",
  grpc: "gRPC",
  "grpc-web": "gRPC-Web",
  connect: "Connect",
};

function byRoute(a: CallCount, b: CallCount): number {
  const rank = ({ from }: CallCount): number => [guests, "gateway", "lake", "stream"].indexOf(from);
  return rank(a) - rank(b) || a.to.localeCompare(b.to) || a.protocol.localeCompare(b.protocol);
}
