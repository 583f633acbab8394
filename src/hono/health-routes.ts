import type { Hono } from "hono";
import type { Clock } from "../core/clock.ts";
import type { Health } from "../serve/health.ts";
import { createScrape } from "../serve/scrape.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { MeshEnv } from "./env.ts";
import { markHandler } from "./route-info.ts";

const noStore = { "cache-control": "no-store" };

/**
 * Adds `/healthz` (the process lives), `/readyz` (it wants traffic, and its checks hold) and `/metrics`. They
 * bypass the chain: probes have no token, must not be limited, and would only blur the metrics.
 */
export function addHealthRoutes(
  app: Hono<MeshEnv>,
  health: Health | undefined,
  metrics: Metrics | undefined,
  clock: Clock,
): void {
  if (health !== undefined) {
    app.get(
      "/healthz",
      markHandler(() => Response.json({ status: "ok" }, { headers: noStore }), { bypass: true }),
    );
    app.get(
      "/readyz",
      markHandler(
        async () => {
          const readiness = await health.readiness();
          return Response.json(readiness, {
            status: readiness.status === "ready" ? 200 : 503,
            headers: noStore,
          });
        },
        { bypass: true },
      ),
    );
  }
  if (metrics !== undefined) {
    const scrape = createScrape(metrics, clock);
    app.get(
      "/metrics",
      markHandler(
        async () =>
          new Response(await scrape(), {
            headers: { "content-type": metrics.contentType, ...noStore },
          }),
        { bypass: true },
      ),
    );
  }
}
