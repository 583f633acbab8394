import { setTimeout as sleep } from "node:timers/promises";

/** What became of a stretch of traffic. */
export interface TrafficReport {
  readonly requests: number;
  readonly failures: readonly string[];
  readonly medianMs: number;
  readonly slowestMs: number;
}

/** Requests that go on until they are told to stop. */
export interface Traffic {
  /** Resolves when so many more responses have come; fails after `timeoutMs`. */
  responded(more: number, timeoutMs?: number): Promise<void>;
  stop(): Promise<TrafficReport>;
}

/**
 * Sends requests one after the other from each of several workers, so that a slow service slows the
 * traffic down. A request that throws is a failure; nothing is tried twice here: retrying is the mesh's part.
 */
export function startTraffic(workers: number, request: (n: number) => Promise<void>): Traffic {
  const durations: number[] = [];
  const failures: string[] = [];
  let running = true;
  let sent = 0;

  async function work(): Promise<void> {
    while (running) {
      const begun = performance.now();
      try {
        await request(sent++);
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
        // A broken service must not make this loop a busy one.
        await sleep(50);
      }
      durations.push(performance.now() - begun);
    }
  }

  const all = Promise.all(Array.from({ length: workers }, work));
  return {
    async responded(more, timeoutMs = 15_000) {
      const goal = durations.length - failures.length + more;
      const deadline = performance.now() + timeoutMs;
      while (durations.length - failures.length < goal) {
        if (performance.now() > deadline)
          throw new Error(`Traffic got stuck: ${failures.at(-1) ?? "no response"}`);
        await sleep(10);
      }
    },
    async stop() {
      running = false;
      await all;
      durations.sort((a, b) => a - b);
      return {
        requests: durations.length,
        failures,
        medianMs: durations[durations.length >> 1] ?? 0,
        slowestMs: durations.at(-1) ?? 0,
      };
    },
  };
}
