import { type Context, Hono } from "hono";
import type { RouterRoute } from "hono/types";
import { isThenable } from "../core/hooks.ts";
import { type CreateAppOptions, partsFrom } from "./app-options.ts";
import type { MeshEnv } from "./env.ts";
import { healthResponders, responderFor } from "./health-routes.ts";
import { refuseMethod, routesFor } from "./no-route.ts";
import { isMiddleware, marksOf, type RouteInfo, routeInfo } from "./route-info.ts";
import { type AppParts, RoutedRequest } from "./routed-request.ts";

/** Whatever serves requests by its `fetch`: a Hono app, whatever its environment, for one. */
export interface ServedApp {
  fetch(request: Request, env?: object, context?: never): Response | Promise<Response>;
}

/** What is looked at of a Hono app. */
type HonoApp = Pick<Hono, "routes" | "router" | "getPath">;

/**
 * The app itself where the layers of this server are around it: it was made by `createApp`, or uses `meshMiddleware`, with the
 * same pipeline. Else an app that is the same with them around it, so that nothing is served past security by mistake.
 *
 * @throws TypeError when it is no app
 */
export function withLayers(who: string, app: ServedApp, options: CreateAppOptions): ServedApp {
  if (typeof (app as ServedApp | null)?.fetch !== "function") {
    throw new TypeError(
      `Cannot ${who}: app is no app; pass one of Hono's, or an object with a fetch(request)`,
    );
  }
  const hono = isHono(app) ? app : undefined;
  const { pipeline } = options;
  if (hono?.routes.some(({ handler }) => marksOf(handler).layers === pipeline) === true) return app;

  const parts = partsFrom(who, options, (method, path) => refuseMethod(undefined, method, path));
  const responders = healthResponders(options);
  const contexts = new WeakMap<Request, never>();
  const outer = new Hono<MeshEnv>();
  outer.all("*", (c) => {
    const routes = hono === undefined ? [] : routesOf(hono, c);
    const responder = responderFor(responders, c.req, () => routes);
    if (responder?.open === true) return responder.respond(c);
    const served = responder === undefined ? app : { fetch: () => responder.respond(c) };
    return new ServedAppRequest(parts, c, routeInfo(routes), served, contexts).serve();
  });
  return {
    fetch(request, env, context) {
      if (context !== undefined) contexts.set(request, context);
      return outer.fetch(request, env, context);
    },
  };
}

/** What the requests to an app's routes are called, as they are declared; nothing for an app that is none of Hono's. */
export function operationsOf(app: ServedApp): readonly string[] {
  if (!isHono(app)) return [];
  return app.routes.filter((route) => !isMiddleware(route)).map(({ method, path }) => `${method} ${path}`);
}

function isHono(app: object): app is HonoApp {
  const { routes, router, getPath } = app as Partial<HonoApp>;
  return Array.isArray(routes) && typeof router?.match === "function" && typeof getPath === "function";
}

function routesOf(app: HonoApp, { req, env }: Context<MeshEnv>): RouterRoute[] {
  return routesFor(app, req.method === "HEAD" ? "GET" : req.method, app.getPath(req.raw, { env }));
}

/** Through the server's layers into an app that knows nothing of them, and responds to its own errors. */
class ServedAppRequest extends RoutedRequest {
  readonly #app: ServedApp;
  readonly #contexts: WeakMap<Request, never>;
  readonly #given: Request;

  constructor(
    parts: AppParts,
    c: Context<MeshEnv>,
    route: RouteInfo,
    app: ServedApp,
    contexts: WeakMap<Request, never>,
  ) {
    super(parts, c, route);
    this.#app = app;
    this.#contexts = contexts;
    this.#given = c.req.raw;
  }

  protected run(): Response | Promise<Response> {
    const { c } = this;
    // What limits the body may have replaced the request.
    const result: unknown = this.#app.fetch(c.req.raw, c.env, this.#contexts.get(this.#given));
    return isThenable(result)
      ? Promise.resolve(result).then((response) => this.#made(response as Response))
      : this.#made(result as Response);
  }

  #made(response: Response): Response {
    this.produced = response;
    // The app knows nothing of the limit, and takes what it came to for a fault of its own.
    const overflow = this.limited?.overflow;
    if (overflow !== undefined && response.status === 500) throw overflow;
    return response;
  }

  protected respondTo(): undefined {
    return undefined;
  }
}
