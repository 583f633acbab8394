/** Sends GET requests for some seconds, 32 in flight, and says how many a second: `undici`, `fetch` or `mesh`. */
import process from "node:process";
import { createMesh, staticResolver } from "../../mod.ts";

const [kind = "", origin = "", seconds = "3"] = process.argv.slice(2);
const path = "/api/datasets/seattle-weather";

async function client(): Promise<() => Promise<unknown>> {
  if (kind === "fetch") return async () => (await fetch(origin + path)).json();
  if (kind === "undici") {
    const { Agent, request } = await import("undici");
    const dispatcher = new Agent({ connections: 100 });
    return async () => (await request(origin + path, { dispatcher })).body.json();
  }
  if (kind === "mesh") {
    const lake = createMesh({ service: "bench", resolver: staticResolver({ lake: [origin] }) }).rest("lake");
    return () => lake.get("api/datasets/seattle-weather").json();
  }
  throw new TypeError(`Cannot call: "${kind}" is no kind of REST client`);
}

const call = await client();
let done = 0;
async function run(until: number): Promise<void> {
  while (performance.now() < until) {
    await call();
    done += 1;
  }
}
async function load(ms: number): Promise<number> {
  done = 0;
  const start = performance.now();
  await Promise.all(Array.from({ length: 32 }, () => run(start + ms)));
  return done / ((performance.now() - start) / 1000);
}
await load(500);
console.log(JSON.stringify({ perSecond: await load(Number(seconds) * 1000) }));
process.exit(0);
