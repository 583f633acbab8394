import type { MiddlewareHandler } from "hono";
import { checkNumber } from "../core/options.ts";
import type { MeshEnv } from "./env.ts";
import { markHandler } from "./route-info.ts";

/**
 * Gives a route its own limit of the request body; `Infinity` lifts it, for uploads that are streamed. The chain
 * reads the limit before the route runs, so the one closest to the handler wins.
 *
 * @example
 * ```ts
 * app.put("/datasets/:name", bodyLimit(Infinity), (c) => store.write(c.req.param("name"), c.req.raw.body));
 * ```
 * @throws TypeError | RangeError when it is no number of at least 0
 */
export function bodyLimit(bytes: number): MiddlewareHandler<MeshEnv> {
  const bodyLimitBytes = checkNumber("bodyLimit()", "bytes", bytes, { max: Infinity });
  const middleware: MiddlewareHandler<MeshEnv> = (_, next) => next();
  return markHandler(middleware, { bodyLimitBytes, inert: true });
}
