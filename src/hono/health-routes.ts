import type { Hono } from "hono";
import type { RouterRoute } from "hono/types";
import type { Clock } from "../core/clock.ts";
import type { Health } from "../serve/health.ts";
import { createScrape } from "../serve/scrape.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { MeshEnv } from "./env.ts";
import { markHandler } from "./route-info.ts";

const noStore = { "cache-control": "no-store" };

/** What responds to probes, by path. */
export type HealthResponders = ReadonlyMap<string, () => Response | Promise<Response>>;

/**
 * Makes what responds to `/healthz` (the process lives), `/readyz` (it wants traffic, and its checks hold) and `/metrics`.
 * They bypass the chain: probes have no token, must not be limited, and would only blur the metrics.
 */
export function healthResponders(
  health: Health | undefined,
  metrics: Metrics | undefined,
  clock: Clock,
): HealthResponders {
  const responders = new Map<string, () => Response | Promise<Response>>();
  if (health !== undefined) {
    responders.set("/healthz", () => Response.json({ status: "ok" }, { headers: noStore }));
    responders.set("/readyz", async () => {
      const readiness = await health.readiness();
      const status = readiness.status === "ready" ? 200 : 503;
      return Response.json(readiness, { status, headers: noStore });
    });
  }
  if (metrics !== undefined) {
    const scrape = createScrape(metrics, clock);
    responders.set("/metrics", async () => {
      return new Response(await scrape(), { headers: { "content-type": metrics.contentType, ...noStore } });
    });
  }
  return responders;
}

/** What responds to a probe; undefined for other requests, and where the application has a route of its own for that path. */
export function responderFor(
  responders: HealthResponders,
  { method, path }: { readonly method: string; readonly path: string },
  routes: () => readonly RouterRoute[],
): (() => Response | Promise<Response>) | undefined {
  const responder = method === "GET" || method === "HEAD" ? responders.get(path) : undefined;
  return responder !== undefined && routes().some((route) => route.path === path) ? undefined : responder;
}

/** Adds routes for probes to an app. */
export function addHealthRoutes(
  app: Hono<MeshEnv>,
  health: Health | undefined,
  metrics: Metrics | undefined,
  clock: Clock,
): void {
  for (const [path, responder] of healthResponders(health, metrics, clock)) {
    app.get(
      path,
      markHandler(() => responder(), { bypass: true }),
    );
  }
}
