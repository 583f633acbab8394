import type { Figure } from "../lib/figure.ts";
import { paired } from "../lib/figure.ts";
import { wrk } from "../lib/load.ts";
import { type BenchRuntime, measureIn, start } from "../lib/process.ts";

/** How long and how often is measured. */
export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
}

/** Sends a POST; see there. */
const postJson = new URL("../targets/post-json.lua", import.meta.url).pathname;

const runtimes: readonly BenchRuntime[] = ["node", "deno", "bun"];

/** Starts two servers, loads them in turn with GET or by a script of wrk's, and gives the ratio of the first to the second. */
async function servers(
  runtime: BenchRuntime,
  a: string,
  b: string,
  effort: Effort,
  script?: string,
): Promise<number> {
  const first = await start(runtime, "rest-server.ts", [a], { cpu: 0 });
  const second = await start(runtime, "rest-server.ts", [b], { cpu: 0 });
  try {
    const load = (port: number | undefined) => () =>
      wrk(
        `http://127.0.0.1:${port}/api/datasets/seattle-weather`,
        effort.seconds,
        ["Authorization: Bearer bench"],
        script,
      );
    return (await paired(load(first.hello.port), load(second.hello.port), effort.rounds)).ratio;
  } finally {
    await Promise.all([first.stop(), second.stop()]);
  }
}

/** Runs two clients in turn against one server that costs little. */
async function clients(runtime: BenchRuntime, a: string, b: string, effort: Effort): Promise<number> {
  const server = await start("bun", "rest-server.ts", ["native"], { cpu: 0 });
  try {
    const origin = `http://127.0.0.1:${server.hello.port}`;
    const load = (kind: string) => async () =>
      (await measureIn(runtime, "rest-client.ts", [kind, origin, String(effort.seconds)], 1)).perSecond ??
      Number.NaN;
    return (await paired(load(a), load(b), effort.rounds)).ratio;
  } finally {
    await server.stop();
  }
}

/** REST server and client. */
export function restFigures(effort: Effort): readonly Figure[] {
  return [
    ...runtimes.map((runtime) => ({
      name: `REST server, whole chain ÷ bare Hono, ${runtime}`,
      target: { atLeast: { node: 1.1, deno: 0.65, bun: 0.85 }[runtime] },
      measure: () => servers(runtime, "mesh", "bare", effort),
    })),
    ...runtimes.map((runtime) => ({
      name: `REST server, whole chain ÷ stock Hono middleware, ${runtime}`,
      target: runtime === "node" ? { atLeast: 6 } : undefined,
      measure: () => servers(runtime, "mesh", "stock", effort),
    })),
    ...runtimes.map((runtime) => ({
      name: `REST server, whole chain ÷ bare Hono, POST of JSON, ${runtime}`,
      target: { atLeast: { node: 1.2, deno: 0.65, bun: 0.85 }[runtime] },
      measure: () => servers(runtime, "mesh", "bare", effort, postJson),
    })),
    ...runtimes.map((runtime) => ({
      name: `listener with a bare Hono app ÷ bare Hono, ${runtime}`,
      target: undefined,
      measure: () => servers(runtime, "listener", "bare", effort),
    })),
    ...runtimes.map((runtime) => {
      const bare = runtime === "node" ? "undici" : "fetch";
      return {
        name: `REST client, all policies ÷ bare ${bare}, ${runtime}`,
        target: { atLeast: 0.85 },
        measure: () => clients(runtime, "mesh", bare, effort),
      };
    }),
  ];
}
