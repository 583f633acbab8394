import type { Clock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import type { TlsOptions } from "../core/identity.ts";
import { checkBoolean, checkNumber, checkWord, type OptionKeys, orDefault } from "../core/options.ts";
import { connectionOf, type MeshEnv, servedHealth } from "../hono/env.ts";
import type { ServedApp } from "../hono/served-app.ts";
import type { AsyncContext, Runtime } from "../net/port.ts";
import { withBypass } from "../rpc/health/probe-bypass.ts";
import { watchLimitsFrom } from "../rpc/health/watch-limits.ts";
import { createDispatcher } from "../rpc/server/create-dispatcher.ts";
import type { RpcDispatcher } from "../rpc/server/dispatcher.ts";
import { createFetchDispatch } from "../rpc/server/fetch-dispatch.ts";
import { healthOperations, watchOperation, withStandardServices } from "../rpc/server/standard-routes.ts";
import { withValidation } from "../rpc/server/validation.ts";
import { type Health, healthOn } from "../serve/health.ts";
import type { HealthChecks } from "../serve/health-checks.ts";
import { createLifecycle, drainFrom } from "../serve/lifecycle.ts";
import type { RequestPipeline } from "../serve/request-pipeline.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { adminFrom, openAdmin } from "./admin.ts";
import { checkServed } from "./check-served.ts";
import { checkHostname, limitsFrom, portsFrom, urlOf } from "./listen-options.ts";
import { drainEvents, listenerEvents, type Tell } from "./mesh-events.ts";
import type { HandlerOptions, MeshHandler, MeshOptions, ServeOptions, Server } from "./options.ts";
import { serveTls } from "./serve-tls.ts";
import type { ServedParts } from "./served-operations.ts";

/** What the server half of a mesh is made of. */
export interface ServingParts {
  readonly runtime: Runtime;
  /** The identity as of now. */
  readonly tls: TlsOptions | undefined;
  readonly pipeline: RequestPipeline;
  /** The health of handlers, and of apps that somebody else's listener serves. */
  readonly health: Health;
  /** What the healths of all servers share. */
  readonly checks: HealthChecks;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly scope: AsyncContext | undefined;
  readonly onError: NonNullable<MeshOptions["onError"]>;
  /** Told of what belongs to no call; undefined when nobody listens. */
  readonly tell: Tell | undefined;
  /** The app that serves when none is given: health and metrics. */
  readonly defaultApp: () => ServedApp;
  /** An app with the server's layers around it, if they are not there yet. */
  readonly withLayers: (who: string, app: ServedApp) => ServedApp;
  /** Refuses options of the server for a route or a method that is not served. */
  readonly checkOperations: (who: string, served: ServedParts) => void;
}

const handlerOptions: OptionKeys<HandlerOptions> = {
  app: true,
  routes: true,
  interceptors: true,
  maxMessageBytes: true,
  responseCompression: true,
  health: true,
  reflection: true,
  validate: true,
};
const serveOptions: OptionKeys<ServeOptions> = {
  ...handlerOptions,
  port: true,
  ports: true,
  hostname: true,
  tls: true,
  clientAuth: true,
  drain: true,
  admin: true,
  connections: true,
  closeOnSignals: true,
  overrideGlobalObjects: true,
};

function dispatcherFrom(
  parts: ServingParts,
  options: HandlerOptions,
  source: Health,
): RpcDispatcher | undefined {
  if (options.routes === undefined) return undefined;
  const { interceptors = [], validate, health, reflection = false, maxMessageBytes } = options;
  const routes =
    validate === undefined ? options.routes : withValidation(options.routes, validate, interceptors);
  const given = health === false ? undefined : health;
  const checkIntervalMs = checkNumber(
    "serve()",
    "health.checkIntervalMs",
    orDefault(given?.checkIntervalMs, 5_000),
    { above: true },
  );
  const bypass = {
    operations: healthOperations,
    watchOperation,
    clock: parts.clock,
    ...watchLimitsFrom("serve()", given),
  };
  return createDispatcher({
    routes: withStandardServices({
      routes,
      health: health === false ? undefined : { source, checkIntervalMs },
      reflection,
      clock: parts.clock,
    }),
    pipeline: health === false ? parts.pipeline : withBypass(parts.pipeline, bypass),
    clock: parts.clock,
    ...(parts.scope && { asyncContext: parts.scope }),
    interceptors,
    ...(parts.runtime.messageCompressions && { acceptCompression: parts.runtime.messageCompressions }),
    ...(maxMessageBytes !== undefined && { maxMessageBytes }),
    ...(options.responseCompression !== undefined && { responseCompression: options.responseCompression }),
    onError: (call, error) => parts.onError(error, call),
  });
}

function appFrom(who: string, parts: ServingParts, { app, routes }: HandlerOptions): ServedApp {
  if (app !== undefined) return parts.withLayers(who, app);
  if (routes === undefined) {
    throw new TypeError(
      `Cannot ${who}: there is nothing to serve; pass app (a Hono app), routes (RPC), or both`,
    );
  }
  return parts.defaultApp();
}

/** Makes the fetch handler of an edge platform. */
export function createHandler(parts: ServingParts, options: HandlerOptions): MeshHandler {
  checkServed("handler()", options, handlerOptions);
  const app = appFrom("make a handler", parts, options);
  const dispatcher = dispatcherFrom(parts, options, parts.health);
  parts.checkOperations("make a handler", { app: options.app, rpc: dispatcher });
  const rpc = dispatcher && createFetchDispatch(dispatcher);
  return {
    async fetch(request, env, context) {
      const bindings = env as Partial<MeshEnv["Bindings"]> | undefined;
      return (
        (await rpc?.(request, connectionOf(bindings))) ??
        // Whatever the platform passes as its context: Hono hands it on.
        app.fetch(request, bindings, context as never)
      );
    },
  };
}

/** Opens the port or the ports, and ties them to health, signals and drain. */
export async function startServer(
  parts: ServingParts,
  options: ServeOptions,
  afterSignal: () => Promise<void>,
): Promise<Server> {
  checkServed("serve()", options, serveOptions);
  checkWord("serve()", "clientAuth", options.clientAuth, ["require", "request", "none"]);
  for (const name of ["closeOnSignals", "reflection", "overrideGlobalObjects"] as const) {
    checkBoolean("serve()", name, options[name]);
  }
  const app = appFrom("serve", parts, options);
  const { runtime, metrics, clock } = parts;
  if (!runtime.capabilities.listen) {
    throw new MeshError(
      "ERR_CAPABILITY",
      `Cannot serve on ${runtime.name}: it opens no ports; export mesh.handler({ app, routes }) instead`,
    );
  }
  const ports = portsFrom(options);
  const tls = serveTls(parts.tls, options);
  const { hostname = "0.0.0.0" } = options;
  checkHostname("hostname", hostname);
  const limits = limitsFrom(options);
  const drain = drainFrom("serve()", options.drain);
  const adminOptions = adminFrom(options.admin, hostname);
  const adminTls = adminOptions && serveTls(parts.tls, adminOptions);
  const health = healthOn(parts.checks);
  const rpc = dispatcherFrom(parts, options, health);
  parts.checkOperations("serve", { app: options.app, rpc });
  const listener = await runtime.listen({
    hostname,
    ports,
    tls,
    fetch: (request, connection) => app.fetch(request, { connection, [servedHealth]: health }),
    rpc,
    limits,
    overrideGlobalObjects: options.overrideGlobalObjects,
    ...listenerEvents(parts.tell, metrics),
    onHandlerError: (error) => parts.onError(error, undefined),
    clock,
  });
  const admin =
    adminOptions && (await openAdmin({ ...parts, health }, { ...adminOptions, tls: adminTls }, listener));

  const ending = createLifecycle({
    clock,
    drain,
    health,
    listener: {
      drain: () => listener.drain(),
      // Last of all the admin port: until then it says that the server drains.
      destroy: async () => {
        await listener.destroy();
        await admin?.listener.destroy();
      },
    },
  });
  const lifecycle = drainEvents(parts.tell, clock, ending, {
    port: listener.ports.rest,
    get inFlight() {
      return listener.inFlight;
    },
  });
  if (options.closeOnSignals === true) {
    let signalled = false;
    const stop = runtime.onSignals(["SIGTERM", "SIGINT"], () => {
      // Resolves whatever happens.
      void lifecycle.close({ force: signalled });
      signalled = true;
    });
    lifecycle.closed
      .then(async () => {
        stop();
        if (signalled) await afterSignal();
      })
      .catch((error: unknown) => parts.onError(error, undefined));
  }
  return {
    port: listener.ports.rest,
    ports: listener.ports,
    url: urlOf(tls !== undefined, hostname, listener.ports.rest),
    admin: admin && { port: admin.port, url: admin.url },
    get inFlight() {
      return listener.inFlight;
    },
    closed: lifecycle.closed,
    setReady: (ready) => health.setReady(ready),
    setServing: (service, serving) => health.setServing(service, serving),
    close: (how) => lifecycle.close(how),
    [Symbol.asyncDispose]: () => lifecycle.close(),
  };
}
