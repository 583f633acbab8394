import type { Env, Hono } from "hono";
import { runtime as platform } from "#runtime";
import { checkResolver } from "../balance/endpoint-registry.ts";
import type { Call } from "../core/call.ts";
import { systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import type { TlsOptions } from "../core/identity.ts";
import { checkNumber, checkOptions, type OptionKeys } from "../core/options.ts";
import { systemRandom } from "../core/random.ts";
import { sourceOf } from "../core/source.ts";
import { staticResolver } from "../discovery/static-resolver.ts";
import { createApp } from "../hono/app.ts";
import type { AppOptions, CreateAppOptions } from "../hono/app-options.ts";
import type { MeshEnv } from "../hono/env.ts";
import { meshMiddleware } from "../hono/middleware.ts";
import { withLayers } from "../hono/served-app.ts";
import { createBridge } from "../serve/bridge.ts";
import { createHealth } from "../serve/health.ts";
import { createRequestPipeline } from "../serve/request-pipeline.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createClients } from "./clients.ts";
import { checkLayers } from "./layers.ts";
import { type MeshEvents, meshEvents } from "./mesh-events.ts";
import type { Mesh, MeshOptions } from "./options.ts";
import { ClientPolicies } from "./policies.ts";
import { createHandler, type ServingParts, startServer } from "./serving.ts";

const knownMeshOptions: OptionKeys<MeshOptions> = {
  service: true,
  tls: true,
  resolver: true,
  policies: true,
  layers: true,
  onEvent: true,
  logger: true,
  logging: true,
  maxConnectionsPerEndpoint: true,
  idleTimeoutMs: true,
  server: true,
  checks: true,
  onError: true,
  metrics: true,
  runtime: true,
  clock: true,
  random: true,
};

/**
 * Makes one service's view of the mesh: clients for the others, and a server for itself.
 *
 * Nothing is opened before it is used, so it can be made at module scope on every platform. A mesh is for
 * the life of a process: once its server drains, it stays drained.
 *
 * @example
 * ```ts
 * const mesh = createMesh({
 *   service: "gateway",
 *   resolver: staticResolver({ lake: ["http://127.0.0.1:7101"] }),
 *   policies: { lake: { timeoutMs: 2_000 } },
 * });
 * const app = mesh.app();
 * app.get("/weather", async (c) => c.json(await mesh.rest("lake").get("datasets/weather").json()));
 * await mesh.serve({ app, port: 8080 });
 * ```
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 * @throws MeshError `ERR_TLS_CONFIG` for a broken identity, `ERR_CAPABILITY` where the runtime cannot use PEM
 */
export function createMesh(options: MeshOptions): Mesh {
  const who = "createMesh()";
  checkOptions(who, options, knownMeshOptions);
  const { service, policies = {}, runtime = platform, clock = systemClock, random = systemRandom } = options;
  if (typeof service !== "string" || service === "") {
    throw new TypeError(
      `Cannot make ${who}: service is ${JSON.stringify(service)}; pass the name of this service`,
    );
  }
  const maxConnectionsPerEndpoint = checkNumber(
    who,
    "maxConnectionsPerEndpoint",
    options.maxConnectionsPerEndpoint ?? 100,
    { min: 1, integer: true },
  );
  const { idleTimeoutMs } = options;
  if (idleTimeoutMs !== undefined) {
    checkNumber(who, "idleTimeoutMs", idleTimeoutMs, { above: true, max: 2 ** 31 - 1 });
  }
  const metrics = options.metrics ?? createMetrics();
  const events = meshEvents(who, options, { clock, random });
  const { onError, onCallEvent, tell, accessLog } = events;
  const tls = sourceOf<TlsOptions | undefined>(options.tls);
  const resolver = options.resolver === undefined ? staticResolver({}) : checkResolver(who, options.resolver);
  const health = createHealth({ clock, ...(options.checks && { checks: options.checks }) });
  const layers = checkLayers(who, options.layers);
  const pipeline = createRequestPipeline({
    service,
    clock,
    metrics,
    onError: (error) => events.onRefused("server", error),
    accessLog: accessLog?.served,
    ...(options.server && { server: options.server }),
    ...(layers.server && { layers: layers.server }),
    ...(onCallEvent && { onEvent: onCallEvent }),
  });
  const scope = runtime.asyncContext;
  const current: () => Call | undefined = scope === undefined ? () => undefined : scope.current.bind(scope);

  const clients = createClients({
    runtime,
    resolver,
    tls: () => tls.current,
    maxConnectionsPerEndpoint,
    idleTimeoutMs,
    policies: new ClientPolicies(policies, runtime, (error) => events.onRefused("policies", error)),
    layers: layers.client ?? {},
    metrics,
    clock,
    random,
    current,
    onEvent: onCallEvent,
    tell,
    accessLog,
  });
  const layered = (each: AppOptions = {}): CreateAppOptions => ({
    onError,
    ...toldOf(each, events),
    pipeline,
    asyncContext: scope,
    clock,
    health,
    metrics,
  });
  const app = <E extends Env = MeshEnv>(each?: AppOptions): Hono<E & MeshEnv> => createApp<E>(layered(each));
  const parts: ServingParts = {
    runtime,
    get tls() {
      return tls.current;
    },
    pipeline,
    health,
    metrics,
    clock,
    scope,
    onError,
    tell,
    defaultApp: () => app(),
    withLayers: (who, served) => withLayers(who, served, layered()),
  };
  const close = (): Promise<void> => clients.close();

  return {
    service,
    runtime,
    metrics,
    rest: clients.rest,
    transport: clients.transport,
    fetch: clients.fetch,
    endpoints: clients.endpoints,
    app,
    bridge() {
      if (scope !== undefined) return createBridge({ pipeline, asyncContext: scope });
      throw new MeshError(
        "ERR_CAPABILITY",
        `Cannot make a bridge on ${runtime.name}: it has no async context; pass parent to each call instead`,
      );
    },
    middleware: (each) => meshMiddleware(layered(each)),
    serve: (served) => startServer(parts, served, close),
    handler: (served) => createHandler(parts, served),
    current,
    close,
  };
}

/** An app's own hook takes the place of the mesh's, and not that of its logger. */
function toldOf(options: AppOptions, { withHook }: MeshEvents): AppOptions {
  const { onError } = options;
  return typeof onError === "function" ? { ...options, onError: withHook(onError) } : options;
}
