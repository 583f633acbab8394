import type { Hono } from "hono";
import type { RouterRoute } from "hono/types";
import { MeshError } from "../core/errors.ts";
import type { MeshEnv } from "./env.ts";

/** The error for a path without a route, or with routes for other methods only. */
export function noRoute(app: Hono<MeshEnv>, method: string, path: string): MeshError {
  const methods = allowedMethods(app, path);
  // A handler that calls `c.notFound()` takes the method and still finds nothing.
  if (methods.length === 0 || methods.includes(method)) {
    return new MeshError("ERR_ROUTE_UNKNOWN", `There is nothing at ${path}`);
  }
  return Object.assign(
    new MeshError(
      "ERR_METHOD_NOT_ALLOWED",
      `${path} does not take ${method}; it takes ${methods.join(", ")}`,
    ),
    { allow: methods.join(", ") },
  );
}

function allowedMethods(app: Hono<MeshEnv>, path: string): string[] {
  const methods = new Set(app.routes.map((route) => route.method).filter((method) => method !== "ALL"));
  const allowed = [...methods].filter((method) =>
    (app.router.match(method, path)[0] as unknown as [[unknown, RouterRoute], unknown][]).some(
      ([[, route]]) => route.method === method,
    ),
  );
  return allowed.includes("GET") ? [...allowed, "HEAD"] : allowed;
}
