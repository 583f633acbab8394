import {
  ConsecutiveBreaker,
  circuitBreaker as cockatielBreaker,
  bulkhead as cockatielBulkhead,
  retry as cockatielRetry,
  timeout as cockatielTimeout,
  ExponentialBackoff,
  handleAll,
  TimeoutStrategy,
  wrap,
} from "cockatiel";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { bulkhead, circuitBreaker, compose, protect, retry, timeout } from "../../mod.ts";
import { createRateLimiter } from "../../src/policy/rate-limiter.ts";
import { simulateBalancers } from "../lib/balancer-simulation.ts";
import { type Figure, paired } from "../lib/figure.ts";
import type { Effort } from "./rest.ts";

/** Microseconds of one turn of `work`, over a batch. */
async function microseconds(work: () => Promise<unknown>, turns: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < turns; i += 1) await work();
  return ((performance.now() - start) * 1000) / turns;
}

const value = async (): Promise<number> => 1;

function ourStack(): () => Promise<unknown> {
  const layers = compose(
    timeout({ timeoutMs: 30_000 }),
    retry({ maxAttempts: 3 }),
    circuitBreaker(),
    bulkhead({ maxConcurrent: 100 }),
  );
  const run = protect(layers, value);
  return () => run(undefined);
}

function theirStack(): () => Promise<unknown> {
  const policy = wrap(
    cockatielTimeout(30_000, TimeoutStrategy.Aggressive),
    cockatielRetry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
    cockatielBreaker(handleAll, { halfOpenAfter: 5_000, breaker: new ConsecutiveBreaker(5) }),
    cockatielBulkhead(100),
  );
  return () => policy.execute(value);
}

/** What is added per call: the stack's time less the bare function's. */
async function added(stack: () => Promise<unknown>, turns: number): Promise<number> {
  const bare = await microseconds(value, turns);
  return (await microseconds(stack, turns)) - bare;
}

async function bytesPerClient(): Promise<number> {
  const clients = 50_000;
  // The names live in the callers' requests, so they are made before the first reading.
  const names = Array.from({ length: clients }, (_, i) => `client-${i}`);
  const collect = (globalThis as { gc?: () => void }).gc;
  if (collect === undefined) throw new Error("run with --expose-gc");
  const limiter = createRateLimiter({ maxClients: clients });
  limiter.take("warm-up");
  collect();
  collect();
  const before = process.memoryUsage();
  for (const name of names) limiter.take(name);
  collect();
  collect();
  const after = process.memoryUsage();
  // Asked once more, or the table might be gone before it is measured.
  if (limiter.take("client-0").limit <= 0) throw new Error("Cannot measure: the limiter has no limit");
  return (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / clients;
}

/** Policies, rate limiter and balancer, in this process. */
export function policyFigures(effort: Effort): readonly Figure[] {
  const turns = effort.seconds * 50_000;
  return [
    {
      name: "client policy stack, added per call ÷ cockatiel's",
      target: { atMost: 0.25 },
      async measure() {
        const ours = ourStack();
        const theirs = theirStack();
        return (
          await paired(
            () => added(ours, turns),
            () => added(theirs, turns),
            effort.rounds,
          )
        ).ratio;
      },
    },
    { name: "rate limiter, bytes per tracked client", target: { atMost: 100 }, measure: bytesPerClient },
    {
      name: "rate limiter, decisions a second ÷ rate-limiter-flexible",
      target: { atLeast: 2 },
      async measure() {
        const names = Array.from({ length: 1_000 }, (_, i) => `client-${i}`);
        const ours = createRateLimiter({ perMinute: 1e9, burst: 1e6 });
        const theirs = new RateLimiterMemory({ points: 1e9, duration: 60 });
        let i = 0;
        const next = (): string => names[i++ % names.length] ?? "";
        const rate = async (work: () => unknown): Promise<number> => {
          const start = performance.now();
          for (let turn = 0; turn < turns; turn += 1) await work();
          return turns / (performance.now() - start);
        };
        return (
          await paired(
            () => rate(() => ours.take(next())),
            () => rate(() => theirs.consume(next())),
            effort.rounds,
          )
        ).ratio;
      },
    },
    {
      name: "p99 with one slow endpoint of ten, our balancer ÷ round robin",
      target: { atMost: 0.2 },
      measure: simulateBalancers,
    },
  ];
}
