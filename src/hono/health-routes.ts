import { type Context, Hono } from "hono";
import type { Clock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import { checkOptions, checkWord, type OptionKeys } from "../core/options.ts";
import { problem } from "../http/problem.ts";
import type { Health } from "../serve/health.ts";
import { createScrape } from "../serve/scrape.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type MeshEnv, servedHealth } from "./env.ts";
import { problemResponse } from "./error-response.ts";
import { markHandler } from "./route-info.ts";

/**
 * Who may see something: `true` is everybody, past security, limits and metrics; `"authenticated"` every caller with a
 * principal, behind security and limits like any other route; `false` nobody.
 */
export type Exposure = boolean | "authenticated";

/** What an app shows besides its own routes. */
export interface ExposeOptions {
  /** `/healthz` (the process lives) and `/readyz` (it wants traffic, and its checks hold). @default true */
  readonly probes?: Exposure;
  /**
   * `/metrics`, in Prometheus' text format: it tells the names of routes and upstreams, and how busy they are.
   *
   * @default false in `mesh.app()`: `serve({ admin })` has it on a port of its own; true in `createApp({ metrics })`
   */
  readonly metrics?: Exposure;
}

const knownExposeOptions: OptionKeys<ExposeOptions> = { probes: true, metrics: true };

const noStore = { "cache-control": "no-store" };

/** What {@link addHealthRoutes} adds routes for. */
export interface HealthRoutesOptions {
  /** What `/healthz` and `/readyz` tell where no server says otherwise. @default they are not there */
  readonly health?: Health | undefined;
  /** @default there is no `/metrics` */
  readonly metrics?: Metrics | undefined;
  readonly expose?: ExposeOptions | undefined;
  readonly clock: Clock;
}

type Responder = (c: Context<MeshEnv>) => Response | Promise<Response>;

/**
 * Adds `/healthz`, `/readyz` and `/metrics`. Where everybody may see them they bypass the chain: probes have no token,
 * must not be limited, and would only blur the metrics.
 *
 * @throws TypeError when an option has the wrong type
 */
export function addHealthRoutes(app: Hono<MeshEnv>, options: HealthRoutesOptions): void {
  const { health, metrics, expose = {}, clock } = options;
  checkOptions("expose", expose, knownExposeOptions);
  const { probes = true, metrics: scrapes = true } = expose;
  for (const [name, value] of Object.entries({ probes, metrics: scrapes })) {
    checkWord("expose", name, value, [true, false, "authenticated"]);
  }

  function add(path: string, exposure: Exposure, respond: Responder): void {
    if (exposure === true) app.get(path, markHandler(respond, { bypass: true }));
    else if (exposure !== false) app.get(path, authenticatedOnly(respond));
  }

  if (health !== undefined) {
    add("/healthz", probes, () => Response.json({ status: "ok" }, { headers: noStore }));
    add("/readyz", probes, async ({ env }) => {
      const readiness = await (env?.[servedHealth] ?? health).readiness();
      return Response.json(readiness, { status: readiness.status === "ready" ? 200 : 503, headers: noStore });
    });
  }
  if (metrics !== undefined) {
    const scrape = createScrape(metrics, clock);
    const headers = { "content-type": metrics.contentType, ...noStore };
    add("/metrics", scrapes, async () => new Response(await scrape(), { headers }));
  }
}

/** Security lets in callers without a principal unless `auth.required` says otherwise; here they are never let in. */
function authenticatedOnly(respond: Responder): Responder {
  return function authenticated(c) {
    if (c.get("call").principal === undefined) {
      throw new MeshError("ERR_UNAUTHENTICATED", "This is shown to authenticated callers only");
    }
    return respond(c);
  };
}

/** The app of an admin port: probes and metrics, open, and nothing else. */
export function createAdminApp(health: Health, metrics: Metrics, clock: Clock): Hono<MeshEnv> {
  const app = new Hono<MeshEnv>();
  app.notFound(() => problemResponse(problem(404)));
  app.onError(() => problemResponse(problem(500)));
  addHealthRoutes(app, { health, metrics, clock });
  return app;
}
