import { createMesh, staticDiscovery } from "./mod.ts";
import { createClient } from "@connectrpc/connect";
import { EchoService } from "./test/gen/test/v1/echo_pb.ts";
const rt = (globalThis as any).Bun ? "bun" : (globalThis as any).Deno ? "deno" : "node";
const mesh = createMesh({ service: "g", discovery: staticDiscovery({ lake: [`http://127.0.0.1:18081`] }), policies: { lake: { breaker: false, timeoutMs: 5000 } } });
const echo = createClient(EchoService, mesh.transport("lake", { protocol: "connect", httpVersion: "1.1" }));
let ok = 0; const bad = new Map<string, number>();
const end = performance.now() + 30_000;
let turn = 0;
while (performance.now() < end) {
  await Promise.all(Array.from({ length: 100 }, () => echo.echo({ text: "x" }).then(() => ok++, (e: any) => { if (e.cause?.fault === undefined) ok++; else { const k = `${e.cause.fault}: ${String(e.message).slice(0, 80)}`; bad.set(k, (bad.get(k) ?? 0) + 1); } })));
  await new Promise((r) => setTimeout(r, 988 + (turn++ % 13)));
}
const lost = [...bad.values()].reduce((a, b) => a + b, 0);
console.log(rt, "ok", ok, "lost", lost, (100 * lost / (ok + lost)).toFixed(2) + " %", Object.fromEntries(bad));
process.exit(0);
