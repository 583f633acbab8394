import type { RouterRoute } from "hono/types";
import { COMPOSED_HANDLER } from "hono/utils/constants";
import type { RequestPipeline } from "../serve/request-pipeline.ts";

const mark: unique symbol = Symbol("mesh route");

/** What a handler tells the chain about its route. */
export interface RouteMarks {
  /** Bytes that a request body may have here; `Infinity` for no limit. */
  readonly bodyLimitBytes?: number;
  /** Whether the chain is left out: health probes. */
  readonly bypass?: boolean;
  /** Whether the handler does nothing but carry marks. */
  readonly inert?: boolean;
  /** For the chain itself: the pipeline that it runs requests through. */
  readonly layers?: RequestPipeline;
}

/** What the chain knows of a route. */
export interface RouteInfo extends RouteMarks {
  /** `GET /datasets/:name`, or `unmatched`. */
  readonly operation: string;
}

/** The operation of requests that no route takes: one name for all of them, however many paths a scanner tries. */
export const unmatched = "unmatched";

/** Attaches marks to a handler or a middleware; the chain finds them before either runs. */
export function markHandler<H extends object>(handler: H, marks: RouteMarks): H {
  return Object.assign(handler, { [mark]: marks });
}

/** The marks of a handler. */
export function marksOf(handler: object): RouteMarks {
  const composed = (handler as Record<string, unknown>)[COMPOSED_HANDLER];
  return (
    (typeof composed === "function" ? marksOf(composed) : (handler as { [mark]?: RouteMarks })[mark]) ?? {}
  );
}

/**
 * Whether a route only passes requests on. By Hono's own convention that is a handler for all methods that takes
 * `next`.
 */
export function isMiddleware(route: RouterRoute): boolean {
  // A mark that Hono sets on handlers and does not type.
  const composed = (route.handler as unknown as Record<string, unknown>)[COMPOSED_HANDLER];
  const target = typeof composed === "function" ? composed : route.handler;
  return route.method === "ALL" && target.length > 1;
}

/** Reads what the handlers that match a request say, the outermost first. */
export function routeInfo(routes: readonly RouterRoute[]): RouteInfo {
  const last = routes.at(-1);
  const info = { operation: unmatched };
  if (last !== undefined && !isMiddleware(last)) info.operation = `${last.method} ${last.path}`;
  return Object.assign(info, ...routes.map((route) => marksOf(route.handler)));
}
