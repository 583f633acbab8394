import { type Context, type Env, type Handler, Hono, type Next } from "hono";
import type { Call } from "../core/call.ts";
import { isThenable, reportLost } from "../core/hooks.ts";
import { problem } from "../http/problem.ts";
import { type CreateAppOptions, partsFrom } from "./app-options.ts";
import type { MeshEnv } from "./env.ts";
import { errorResponse, problemResponse } from "./error-response.ts";
import { FusedRouter } from "./fused-router.ts";
import { addHealthRoutes } from "./health-routes.ts";
import { layersMiddleware } from "./middleware.ts";
import { noRoute, refuseMethod } from "./no-route.ts";
import { isMiddleware, marksOf, type RouteInfo, routeInfo } from "./route-info.ts";
import { type AppParts, RoutedRequest } from "./routed-request.ts";

/**
 * A Hono app with the server's layers in place: everything that is added to it runs behind request id, metrics, problems, CORS,
 * security, limits and deadline. An `app.onError` of its own is respected.
 *
 * @typeParam E - the application's own bindings and variables, beside those of the mesh
 * @example
 * ```ts
 * const app = createApp({ pipeline: createRequestPipeline({ service: "lake" }), health: createHealth() });
 * app.get("/datasets/:name", (c) => c.json(find(c.req.param("name"))));
 * ```
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function createApp<E extends Env = MeshEnv>(options: CreateAppOptions): Hono<E & MeshEnv> {
  const parts = partsFrom("createApp()", options, (method, path) => refuseMethod(app, method, path));
  const layers = layersMiddleware(parts, (c) => unhandled.has(c));
  const router = new FusedRouter((entries) => {
    // Only the layers and one handler; whatever stands between them runs as Hono runs it.
    const [first, second, third] = entries.filter(([handler]) => marksOf(handler).inert !== true);
    if (first?.[0] !== layers || second === undefined || third !== undefined) return undefined;
    const [handler, route] = second;
    if (isMiddleware(route)) return undefined;
    const info = routeInfo(entries.map((entry) => entry[1]));
    if (info.bypass === true) return handler;
    return function fused(c: Context<MeshEnv>, next) {
      return new FusedRequest(parts, c, info, app, handler, next).serve();
    };
  });
  const app: Hono<MeshEnv> = new Hono<MeshEnv>({ router });
  app.onError(respondToError);
  app.notFound((c) => {
    throw noRoute(app, c.req.method, c.req.path);
  });
  app.use(layers);
  addHealthRoutes(app, options);
  // What the application adds to the environment is for its own middleware to set: the mesh does not look at it.
  return app as unknown as Hono<E & MeshEnv>;
}

type Result = Response | Promise<Response>;

/** Through the server's layers straight into the one handler of a route. */
class FusedRequest extends RoutedRequest {
  readonly #app: Hono<MeshEnv>;
  readonly #handler: Handler;
  readonly #next: Next;

  constructor(
    parts: AppParts,
    c: Context<MeshEnv>,
    route: RouteInfo,
    app: Hono<MeshEnv>,
    handler: Handler,
    next: Next,
  ) {
    super(parts, c, route);
    this.#app = app;
    this.#handler = handler;
    this.#next = next;
  }

  protected run(): Result {
    const { c } = this;
    const result: unknown = this.#handler(c, this.#next);
    if (isThenable(result)) return Promise.resolve(result).then((late) => this.#settled(late));
    return this.#settled(result);
  }

  /** What a handler returned; one that returned nothing has set `c.res`, or found nothing. */
  #settled(result: unknown): Result {
    const { c } = this;
    if (result === undefined || result === null) return c.finalized ? c.res : c.notFound();
    this.produced = result as Response;
    return this.produced;
  }

  protected respondTo(error: unknown): Result | undefined {
    const own = ownErrorHandler(this.#app);
    if (own === undefined || !(error instanceof Error)) return undefined;
    this.c.error = error;
    return own(error, this.c);
  }
}

type ErrorHandler = (error: Error, c: Context<MeshEnv>) => Result;

/** The app's error handler, once it has replaced ours. */
function ownErrorHandler(app: Hono<MeshEnv>): ErrorHandler | undefined {
  // Private in its type; there is no other way to tell that it was replaced.
  const { errorHandler } = app as unknown as { errorHandler: ErrorHandler };
  return errorHandler === respondToError ? undefined : errorHandler;
}

/** Requests whose error no handler of the application's own has responded to. */
const unhandled = new WeakSet<Context>();

function respondToError(error: Error, c: Context<MeshEnv>): Response {
  unhandled.add(c);
  const call: Call | undefined = c.get("call");
  // A probe has gone past the layers, which would report it.
  if (call === undefined) reportLost(`${c.req.method} ${c.req.path}`, error);
  try {
    return errorResponse(error, call);
  } catch {
    // The error has a status or a header value that no response can have. The request's end reports it.
    return problemResponse(problem(500, undefined, undefined, call?.requestId));
  }
}
