import type { Context, MiddlewareHandler, Next } from "hono";
import { matchedRoutes } from "hono/route";
import { ServerCall } from "../serve/server-call.ts";
import { type CreateAppOptions, partsFrom } from "./app-options.ts";
import type { MeshEnv } from "./env.ts";
import { healthResponders, responderFor } from "./health-routes.ts";
import { refuseMethod } from "./no-route.ts";
import { markHandler, type RouteInfo, routeInfo } from "./route-info.ts";
import { type AppParts, RoutedRequest } from "./routed-request.ts";

/** Whether nobody but the framework's last resort has responded to `c.error`, so that the mesh may. */
export type Unhandled = (c: Context) => boolean | Promise<boolean>;

/** The server's layers as a middleware. */
export function layersMiddleware(parts: AppParts, unhandled: Unhandled): MiddlewareHandler<MeshEnv> {
  async function meshLayers(c: Context<MeshEnv>, next: Next): Promise<undefined> {
    const route = routeInfo(matchedRoutes(c));
    // An app within an app: its requests have passed the layers, unless those were another mesh's.
    const call: unknown = c.get("call");
    if (route.bypass === true || (call instanceof ServerCall && call.pipeline === parts.pipeline)) {
      await next();
      return;
    }
    const response = await new MiddlewareRequest(parts, c, route, next, unhandled).serve();
    if (c.res === response) return;
    // Hono would copy the headers of the response that was there before into the new one.
    (c as { res: Response | undefined }).res = undefined;
    c.res = response;
  }
  return markHandler(meshLayers, { layers: parts.pipeline });
}

/**
 * The server's layers as one middleware, for a Hono app that exists already: put it first, and what comes after it runs
 * behind request id, metrics, problems, CORS, security, limits and deadline. The app's own `onError` and `notFound` are
 * respected, and so is a route of its own at the path of a probe.
 *
 * @example
 * ```ts
 * app.use(meshMiddleware({ pipeline: createRequestPipeline({ service: "lake" }), health: createHealth() }));
 * ```
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function meshMiddleware(options: CreateAppOptions): MiddlewareHandler<MeshEnv> {
  const parts = partsFrom("meshMiddleware()", options, (method, path) =>
    refuseMethod(undefined, method, path),
  );
  const layers = layersMiddleware(parts, isLastResort);
  const responders = healthResponders(options);
  if (responders.size === 0) return layers;
  const middleware: MiddlewareHandler<MeshEnv> = (c, next) => {
    const responder = responderFor(responders, c.req, () => matchedRoutes(c));
    if (responder === undefined) return layers(c, next);
    if (responder.open) return Promise.resolve(responder.respond(c));
    return layers(c, async () => {
      c.res = await responder.respond(c);
    });
  };
  return markHandler(middleware, { layers: parts.pipeline });
}

/**
 * Whether Hono's own error handler has made the response: a text that says no more than the error. An app with an
 * `onError` that says just the same loses nothing by a problem in its place.
 */
async function isLastResort({ error, res }: Context): Promise<boolean> {
  const own = error as Error & { getResponse?: unknown; res?: Response; status?: number };
  // What the error brings along is sent as it is, by either.
  if (own.res !== undefined) return false;
  // Bun tells no type of the text that an HTTPException makes.
  const type = res.headers.get("content-type");
  if (type !== null && !type.startsWith("text/plain")) return false;
  const isHttpException = typeof own.getResponse === "function";
  if (res.status !== (isHttpException ? own.status : 500)) return false;
  return startsAs(res, isHttpException ? own.message : "Internal Server Error");
}

/** Whether the first piece of a body is that text; the last resort writes no more. */
async function startsAs(response: Response, text: string): Promise<boolean> {
  const reader = response.clone().body?.getReader();
  const first = await reader?.read();
  // The other half of the clone is what goes out, if this is not what it seems to be.
  reader?.cancel().catch(() => {});
  return new TextDecoder().decode(first?.value) === text;
}

/** Through the server's layers into the rest of a Hono app's middleware. */
class MiddlewareRequest extends RoutedRequest {
  readonly #next: Next;
  readonly #unhandled: Unhandled;

  constructor(parts: AppParts, c: Context<MeshEnv>, route: RouteInfo, next: Next, unhandled: Unhandled) {
    super(parts, c, route);
    this.#next = next;
    this.#unhandled = unhandled;
  }

  protected async run(): Promise<Response> {
    const { c } = this;
    await this.#next();
    // Hono catches what handlers throw, so that `next` never rejects.
    if (c.error !== undefined && (await this.#unhandled(c))) throw c.error;
    this.produced = c.res;
    return c.res;
  }

  protected respondTo(): undefined {
    return undefined;
  }
}
