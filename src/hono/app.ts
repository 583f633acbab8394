import { type Context, type Handler, Hono, type MiddlewareHandler, type Next } from "hono";
import { matchedRoutes } from "hono/route";
import type { Call } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { isThenable, quietHook } from "../core/hooks.ts";
import { checkFunction, checkNumber, checkOptions, type OptionKeys } from "../core/options.ts";
import { problem } from "../http/problem.ts";
import type { Health } from "../serve/health.ts";
import type { RequestPipeline } from "../serve/request-pipeline.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type CorsOptions, createCors } from "./cors.ts";
import type { MeshEnv } from "./env.ts";
import { errorResponse, problemResponse } from "./error-response.ts";
import { FusedRouter } from "./fused-router.ts";
import { addHealthRoutes, type ExposeOptions } from "./health-routes.ts";
import { noRoute, refuseMethod } from "./no-route.ts";
import { isMiddleware, marksOf, type RouteInfo, routeInfo } from "./route-info.ts";
import { type AppParts, type CallScope, RoutedRequest } from "./routed-request.ts";

export type { MeshEnv } from "./env.ts";

/** What an application chooses about how it is served. */
export interface AppOptions {
  /** Which pages may call from other origins. @default none */
  readonly cors?: CorsOptions;
  /** The largest request body, in bytes; `bodyLimit()` gives a route its own. @default 1 MiB */
  readonly bodyLimitBytes?: number;
  /** What everybody or authenticated callers see of health and metrics. @default the probes, and no metrics */
  readonly expose?: ExposeOptions;
  /**
   * Told of errors whose response is a plain 500, and of bodies that fail midway: the caller learns nothing of them, so
   * write them down here.
   */
  readonly onError?: (error: unknown, call: Call) => void;
}

/** Options of {@link meshMiddleware}: the application's choices, and what the mesh brings. */
export interface MiddlewareOptions extends AppOptions {
  /** What responds to errors of handlers: the mesh, with a problem, or the app's own `onError`. @default "problem" */
  readonly errors?: "problem" | "app";
  /** Made by `createRequestPipeline`; share one between REST and RPC, so that limits hold for both together. */
  readonly pipeline: RequestPipeline;
  /** Makes the call known to what the handler calls. @default the call is in `c.get("call")` only */
  readonly asyncContext?: CallScope | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** Options of {@link createApp}. */
export interface CreateAppOptions extends Omit<MiddlewareOptions, "errors"> {
  /** Adds `/healthz` and `/readyz`. @default they are not there */
  readonly health?: Health;
  /** Adds `/metrics`. @default it is not there */
  readonly metrics?: Metrics;
}

const knownOptions: OptionKeys<CreateAppOptions & MiddlewareOptions> = {
  cors: true,
  bodyLimitBytes: true,
  expose: true,
  onError: true,
  errors: true,
  pipeline: true,
  asyncContext: true,
  clock: true,
  health: true,
  metrics: true,
};

function partsFrom(who: string, options: MiddlewareOptions, app?: () => Hono<MeshEnv>): AppParts {
  checkOptions<CreateAppOptions & MiddlewareOptions>(
    who,
    options as CreateAppOptions & MiddlewareOptions,
    knownOptions,
  );
  const onError = checkFunction(who, "onError", options.onError);
  return {
    pipeline: options.pipeline,
    cors: options.cors === undefined ? undefined : createCors(options.cors),
    bodyLimitBytes: checkNumber(who, "bodyLimitBytes", options.bodyLimitBytes ?? 1_048_576, {
      max: Infinity,
    }),
    scope: options.asyncContext,
    refuseMethod: (method, path) => refuseMethod(app?.(), method, path),
    onError: onError && quietHook(onError),
  };
}

/** The server's layers as a middleware; `handlesErrors` says whether the app has an error handler of its own. */
function layersMiddleware(parts: AppParts, handlesErrors: () => boolean): MiddlewareHandler<MeshEnv> {
  return async function meshLayers(c, next) {
    const route = routeInfo(matchedRoutes(c));
    if (route.bypass === true) return next();
    const response = await new MiddlewareRequest(parts, c, route, next, handlesErrors).serve();
    if (c.res === response) return;
    // Hono would copy the headers of the response that was there before into the new one.
    (c as { res: Response | undefined }).res = undefined;
    c.res = response;
  };
}

/**
 * The server's layers as one middleware, for a Hono app that exists already. Put it first.
 *
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function meshMiddleware(options: MiddlewareOptions): MiddlewareHandler<MeshEnv> {
  const { errors = "problem" } = options;
  return layersMiddleware(partsFrom("meshMiddleware()", options), () => errors === "app");
}

/**
 * A Hono app with the server's layers in place: everything that is added to it runs behind request id, metrics, problems, CORS,
 * security, limits and deadline. An `app.onError` of its own is respected.
 *
 * @example
 * ```ts
 * const app = createApp({ pipeline: createRequestPipeline({ service: "lake" }), health: createHealth() });
 * app.get("/datasets/:name", (c) => c.json(find(c.req.param("name"))));
 * ```
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function createApp(options: CreateAppOptions): Hono<MeshEnv> {
  const parts = partsFrom("createApp()", options, () => app);
  const layers = layersMiddleware(parts, () => ownErrorHandler(app) !== undefined);
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
  const { health, metrics, expose, clock = systemClock } = options;
  addHealthRoutes(app, { health, metrics, expose, clock });
  return app;
}

type Result = Response | Promise<Response>;

/** Through the server's layers into the rest of a Hono app's middleware. */
class MiddlewareRequest extends RoutedRequest {
  readonly #next: Next;
  readonly #handlesErrors: () => boolean;

  constructor(
    parts: AppParts,
    c: Context<MeshEnv>,
    route: RouteInfo,
    next: Next,
    handlesErrors: () => boolean,
  ) {
    super(parts, c, route);
    this.#next = next;
    this.#handlesErrors = handlesErrors;
  }

  protected async run(): Promise<Response> {
    const { c } = this;
    await this.#next();
    // Hono catches what handlers throw, so that `next` never rejects.
    if (c.error !== undefined && !this.#handlesErrors()) throw c.error;
    this.produced = c.res;
    return c.res;
  }

  protected respondTo(): undefined {
    return undefined;
  }
}

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

function respondToError(error: Error, c: Context<MeshEnv>): Response {
  const call = c.get("call");
  try {
    return errorResponse(error, call);
  } catch {
    // The error has a status or a header value that no response can have. The request's end reports it.
    return problemResponse(problem(500, undefined, undefined, call?.requestId));
  }
}
