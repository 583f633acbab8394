import type { Env, Hono } from "hono";
import { runtime as platform } from "#runtime";
import { checkResolver } from "../balance/endpoint-registry.ts";
import type { Call } from "../core/call.ts";
import { systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import type { TlsOptions } from "../core/identity.ts";
import {
  checkFunction,
  checkMethods,
  checkNumber,
  checkOptions,
  type OptionKeys,
  orDefault,
} from "../core/options.ts";
import { systemRandom } from "../core/random.ts";
import { isSource, sourceOf } from "../core/source.ts";
import { staticResolver } from "../discovery/static-resolver.ts";
import { createApp } from "../hono/app.ts";
import { type AppOptions, type CreateAppOptions, knownAppOptions } from "../hono/app-options.ts";
import type { MeshEnv } from "../hono/env.ts";
import { meshExpose } from "../hono/health-routes.ts";
import { meshMiddleware } from "../hono/middleware.ts";
import { withLayers } from "../hono/served-app.ts";
import { createBridge } from "../serve/bridge.ts";
import { healthOn } from "../serve/health.ts";
import { HealthChecks } from "../serve/health-checks.ts";
import { createRequestPipeline } from "../serve/request-pipeline.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createClients } from "./clients.ts";
import { checkLayers } from "./layers.ts";
import { type MeshEvents, meshEvents } from "./mesh-events.ts";
import type { Mesh, MeshOptions } from "./options.ts";
import { ClientPolicies } from "./policies.ts";
import { ServedOperations } from "./served-operations.ts";
import { Servers } from "./servers.ts";
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
  maxConnectionAgeMs: true,
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
 * Nothing is opened before it is used, so it can be made at module scope on every platform. It may serve
 * several times, one after the other or at once: each server drains and closes by itself.
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
    orDefault(options.maxConnectionsPerEndpoint, 100),
    { min: 1, integer: true },
  );
  const { idleTimeoutMs, maxConnectionAgeMs } = options;
  if (idleTimeoutMs !== undefined) {
    checkNumber(who, "idleTimeoutMs", idleTimeoutMs, { above: true, max: 2 ** 31 - 1 });
  }
  checkMethods(
    who,
    "clock",
    options.clock,
    ["now", "schedule", "sleep"],
    "a Clock, such as clockFrom({ … })",
  );
  checkFunction(who, "random", options.random);
  checkMethods(
    who,
    "runtime",
    options.runtime,
    ["openHttpTransport", "openRpcTransport"],
    "a runtime of ours",
  );
  checkMethods(who, "metrics", options.metrics, ["watchSessions", "clientStarted"], "createMetrics()");
  if (maxConnectionAgeMs !== undefined)
    checkNumber(who, "maxConnectionAgeMs", maxConnectionAgeMs, { above: true });
  const metrics = options.metrics ?? createMetrics();
  const events = meshEvents(who, options, { clock, random });
  const { onError, onCallEvent, tell, accessLog } = events;
  const tls = sourceOf<TlsOptions | undefined>(options.tls);
  const resolver = options.resolver === undefined ? staticResolver({}) : checkResolver(who, options.resolver);
  const checks = new HealthChecks({ clock, ...(options.checks !== undefined && { checks: options.checks }) });
  const health = healthOn(checks);
  const layers = checkLayers(who, options.layers);
  const operations = new ServedOperations();
  const server = isSource(options.server)
    ? operations.checked(options.server, (error) => events.onRefused("server", error))
    : options.server;
  const pipeline = createRequestPipeline({
    service,
    clock,
    metrics,
    onError: (error) => events.onRefused("server", error),
    accessLog: accessLog?.served,
    ...(server !== undefined && { server }),
    ...(layers.server !== undefined && { layers: layers.server }),
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
    maxConnectionAgeMs,
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
  function layered(what: string, each: AppOptions = {}): CreateAppOptions {
    checkOptions(what, each, knownAppOptions);
    const expose = meshExpose(each.expose);
    const brought = { pipeline, asyncContext: scope, clock, health, metrics };
    return { onError, ...toldOf(each, events), expose, ...brought };
  }
  const app = <E extends Env = MeshEnv>(each?: AppOptions): Hono<E & MeshEnv> =>
    operations.addApp(createApp<E>(layered("app()", each)));
  const parts: ServingParts = {
    runtime,
    get tls() {
      return tls.current;
    },
    pipeline,
    health,
    checks,
    metrics,
    clock,
    scope,
    onError,
    tell,
    defaultApp: () => app(),
    withLayers: (who, served) => withLayers(who, served, layered(who)),
    checkOperations: (who, served) =>
      operations.serve(who, served, isSource(server) ? server.current : server),
  };
  const servers = new Servers();
  let closing: Promise<void> | undefined;

  function end(): Promise<void> {
    // What is left are handlers.
    void health.drain();
    pipeline.close();
    return clients.close();
  }

  const close: Mesh["close"] = (how) => {
    const served = servers.close(how);
    closing ??= served === undefined ? end() : served.then(end);
    return closing;
  };
  const afterSignal = async (): Promise<void> => {
    await servers.ended();
    await close();
  };

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
      if (scope !== undefined) return createBridge({ pipeline, asyncContext: scope, onError });
      throw new MeshError(
        "ERR_CAPABILITY",
        `Cannot make a bridge on ${runtime.name}: it has no async context; pass parent to each call instead`,
      );
    },
    middleware(each) {
      operations.addMiddleware();
      return meshMiddleware(layered("middleware()", each));
    },
    serve: (served) => servers.start(() => startServer(parts, served, afterSignal)),
    handler: (served) => createHandler(parts, served),
    current,
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** An app's own hook takes the place of the mesh's, and not that of its logger. */
function toldOf(options: AppOptions, { withHook }: MeshEvents): AppOptions {
  const { onError } = options;
  return typeof onError === "function" ? { ...options, onError: withHook(onError) } : options;
}
