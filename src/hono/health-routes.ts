import { type Context, Hono } from "hono";
import type { RouterRoute } from "hono/types";
import { type Clock, systemClock } from "../core/clock.ts";
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

/** What {@link healthResponders} respond with. */
export interface HealthRoutesOptions {
  /** What `/healthz` and `/readyz` tell where no server says otherwise. @default they are not there */
  readonly health?: Health | undefined;
  /** @default there is no `/metrics` */
  readonly metrics?: Metrics | undefined;
  readonly expose?: ExposeOptions | undefined;
  readonly clock?: Clock | undefined;
}

type Respond = (c: Context<MeshEnv>) => Response | Promise<Response>;

/** What responds at the path of a probe. */
export interface HealthResponder {
  /** Whether it goes past the chain: probes have no token, must not be limited, and would only blur the metrics. */
  readonly open: boolean;
  readonly respond: Respond;
}

/** What responds to probes, by path. */
export type HealthResponders = ReadonlyMap<string, HealthResponder>;

/**
 * Makes what responds to `/healthz`, `/readyz` and `/metrics`.
 *
 * @throws TypeError when an option has the wrong type
 */
export function healthResponders(options: HealthRoutesOptions): HealthResponders {
  const { health, metrics, expose = {}, clock = systemClock } = options;
  checkOptions("expose", expose, knownExposeOptions);
  const { probes = true, metrics: scrapes = true } = expose;
  for (const [name, value] of Object.entries({ probes, metrics: scrapes })) {
    checkWord("expose", name, value, [true, false, "authenticated"]);
  }
  const responders = new Map<string, HealthResponder>();

  function add(path: string, exposure: Exposure, respond: Respond): void {
    if (exposure === true) responders.set(path, { open: true, respond });
    else if (exposure !== false) responders.set(path, { open: false, respond: authenticatedOnly(respond) });
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
    add("/metrics", scrapes, async () => {
      return new Response(await scrape(), { headers: { "content-type": metrics.contentType, ...noStore } });
    });
  }
  return responders;
}

/**
 * The options with the defaults of a mesh, which shows no metrics unless it is told to.
 *
 * @throws TypeError when they are none
 */
export function meshExpose(expose: ExposeOptions = {}): ExposeOptions {
  checkOptions("expose", expose, knownExposeOptions);
  const { metrics = false } = expose;
  return { ...expose, metrics };
}

/** What responds to a probe; undefined for other requests, and where the application has a route of its own for that path. */
export function responderFor(
  responders: HealthResponders,
  { method, path }: { readonly method: string; readonly path: string },
  routes: () => readonly RouterRoute[],
): HealthResponder | undefined {
  const responder = method === "GET" || method === "HEAD" ? responders.get(path) : undefined;
  return responder !== undefined && routes().some((route) => route.path === path) ? undefined : responder;
}

/** Adds routes for probes to an app. */
export function addHealthRoutes(app: Hono<MeshEnv>, options: HealthRoutesOptions): void {
  for (const [path, { open, respond }] of healthResponders(options)) {
    app.get(path, open ? markHandler(respond, { bypass: true }) : respond);
  }
}

/** Security lets in callers without a principal unless `auth.required` says otherwise; here they are never let in. */
function authenticatedOnly(respond: Respond): Respond {
  return function authenticated(c) {
    if (c.get("call").principal === undefined) {
      throw new MeshError("ERR_UNAUTHENTICATED", "This is shown to authenticated callers only");
    }
    return respond(c);
  };
}

/**
 * The app of an admin port: probes and metrics, open, and nothing else.
 *
 * @param onError - told of what callers are told nothing of; never throws
 */
export function createAdminApp(
  health: Health,
  metrics: Metrics,
  clock: Clock,
  onError: (error: unknown) => void,
): Hono<MeshEnv> {
  const app = new Hono<MeshEnv>();
  app.notFound(() => problemResponse(problem(404)));
  app.onError((error) => {
    onError(error);
    return problemResponse(problem(500));
  });
  addHealthRoutes(app, { health, metrics, clock });
  return app;
}
