import { balanced, powerOfTwoChoices, staticResolver } from "../../mod.ts";
import type { Balancer } from "../../src/balance/balancer.ts";
import { Call } from "../../src/core/call.ts";
import { VirtualClock } from "../../test/support/virtual-clock.ts";

/** Ten endpoints; nine respond in about 5 ms, the last in about 100 ms. */
const meanMs = [5, 5, 5, 5, 5, 5, 5, 5, 5, 100];
const origins = meanMs.map((_, i) => `http://10.0.0.${i + 1}:8080`);
/** Calls arrive at this mean distance, whatever is still under way. */
const arrivalMs = 2;
const calls = 20_000;

/** A small generator (mulberry32), so that both balancers meet the same traffic. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function roundRobin(): Balancer {
  let turn = 0;
  return { pick: (endpoints) => endpoints[turn++ % endpoints.length], observe: () => {} };
}

async function p99(balancer: (random: () => number) => Balancer): Promise<number> {
  const clock = new VirtualClock();
  const random = seeded(42);
  const traffic = seeded(7);
  const exponential = (mean: number): number => -Math.log(1 - traffic()) * mean;
  const service = balanced({
    resolver: staticResolver({ echo: origins }),
    balancer: () => balancer(random),
    breaker: false,
    clock,
  })(async (call: Call) => {
    const mean = meanMs[origins.indexOf(call.endpoint?.origin ?? "")] ?? Number.NaN;
    await clock.sleep(mean / 2 + exponential(mean / 2));
  });
  const latencies: number[] = [];
  let failure: unknown;
  const fail = (error: unknown): void => {
    failure ??= error;
  };
  for (let i = 0; i < calls; i += 1) {
    const start = clock.now();
    const call = new Call({ side: "client", protocol: "rest", service: "echo", operation: "GET" });
    void Promise.resolve(service(call, undefined)).then(() => latencies.push(clock.now() - start), fail);
    await clock.advance(exponential(arrivalMs));
  }
  await clock.advance(10_000);
  if (latencies.length !== calls) throw failure ?? new Error(`${calls - latencies.length} calls did not end`);
  latencies.sort((a, b) => a - b);
  return latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN;
}

/** p99 of our balancer ÷ p99 of round robin, on a virtual clock and the same traffic. */
export async function simulateBalancers(): Promise<number> {
  const ours = await p99((random) => powerOfTwoChoices({ random }));
  return ours / (await p99(roundRobin));
}
