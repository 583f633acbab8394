import type { Hono } from "hono";
import type { RouterRoute } from "hono/types";
import { MeshError } from "../core/errors.ts";
import type { MeshEnv } from "./env.ts";
import { isMiddleware } from "./route-info.ts";

/** The error for a path without a route, or with routes for other methods only. */
export function noRoute(app: Hono<MeshEnv>, method: string, path: string): MeshError {
  const methods = allowedMethods(app, path);
  // A handler that calls `c.notFound()` takes the method and still finds nothing.
  if (methods.length === 0 || methods.includes(method)) {
    return new MeshError("ERR_ROUTE_UNKNOWN", `There is nothing at ${path}`);
  }
  return methodNotAllowed(method, path, methods);
}

/** The methods listed for a handler that takes all of them. */
const ordinaryMethods: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/**
 * The error for a method that must not reach a handler, even where a handler takes all methods. Without the app, whose
 * routes are then unknown, `Allow` lists the usual methods.
 */
export function refuseMethod(app: Hono<MeshEnv> | undefined, method: string, path: string): MeshError {
  if (app === undefined || takesAll(app, path)) return methodNotAllowed(method, path, ordinaryMethods);
  return noRoute(app, method, path);
}

function methodNotAllowed(method: string, path: string, methods: readonly string[]): MeshError {
  const allow = methods.join(", ");
  const message = `${path} does not take ${method}; it takes ${allow}`;
  return Object.assign(new MeshError("ERR_METHOD_NOT_ALLOWED", message), { allow });
}

function takesAll(app: Hono<MeshEnv>, path: string): boolean {
  return routesFor(app, "GET", path).some((route) => route.method === "ALL" && !isMiddleware(route));
}

/** What matches a request, the outermost first. */
export function routesFor(app: Pick<Hono<MeshEnv>, "router">, method: string, path: string): RouterRoute[] {
  // Hono types what its router holds by the handlers alone; the routes stand beside them.
  const [entries] = app.router.match(method, path) as unknown as [[[unknown, RouterRoute], unknown][]];
  return entries.map(([[, route]]) => route);
}

function allowedMethods(app: Hono<MeshEnv>, path: string): string[] {
  const methods = new Set(app.routes.map((route) => route.method).filter((method) => method !== "ALL"));
  const allowed = [...methods].filter((method) =>
    routesFor(app, method, path).some((route) => route.method === method),
  );
  return allowed.includes("GET") ? [...allowed, "HEAD"] : allowed;
}
