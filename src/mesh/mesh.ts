import { runtime as platform } from "#runtime";
import type { Call } from "../core/call.ts";
import { systemClock } from "../core/clock.ts";
import { quietHook } from "../core/hooks.ts";
import { checkFunction, checkNumber, checkOptions } from "../core/options.ts";
import { systemRandom } from "../core/random.ts";
import { staticDiscovery } from "../discovery/static-discovery.ts";
import { type AppOptions, createApp } from "../hono/app.ts";
import { createHealth } from "../serve/health.ts";
import { createRequestPipeline } from "../serve/request-pipeline.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createClients } from "./clients.ts";
import type { ClientPolicy, Mesh, MeshLayers, MeshOptions } from "./options.ts";
import { checkPolicy } from "./pipeline.ts";
import { createHandler, type ServingParts, startServer } from "./serving.ts";

/** The entry of `policies` that holds for every service. */
const everyService = "*";

function reportError(error: unknown, call: Call | undefined): void {
  const what = call === undefined ? "A request" : `${call.operation} (request ${call.requestId})`;
  // biome-ignore lint/suspicious/noConsole: the error goes nowhere else, and nobody must lose it unasked
  console.error(`${what} failed:`, error);
}

/** @throws TypeError for a side that has no layers */
function layersFrom(who: string, layers: MeshLayers = {}): MeshLayers {
  checkOptions(`${who} layers`, layers);
  const unknown = Object.keys(layers).find((side) => side !== "server");
  if (unknown === undefined) return layers;
  throw new TypeError(`Cannot make ${who}: there are no layers of "${unknown}"; use layers.server`);
}

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
 *   discovery: staticDiscovery({ lake: ["http://127.0.0.1:7101"] }),
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
  checkOptions(who, options);
  const {
    service,
    tls,
    policies = {},
    runtime = platform,
    clock = systemClock,
    random = systemRandom,
  } = options;
  if (typeof service !== "string" || service === "") {
    throw new TypeError(
      `Cannot make ${who}: service is ${JSON.stringify(service)}; pass the name of this service`,
    );
  }
  for (const [name, policy] of Object.entries(policies)) checkPolicy(`policies["${name}"] of ${who}`, policy);
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
  const onError = quietHook(checkFunction(who, "onError", options.onError) ?? reportError);
  const health = createHealth({ clock, ...(options.checks && { checks: options.checks }) });
  const layers = layersFrom(who, options.layers);
  const pipeline = createRequestPipeline({
    service,
    clock,
    metrics,
    onError: (error) => onError(error, undefined),
    ...(options.server && { server: options.server }),
    ...(layers.server && { layers: layers.server }),
  });
  const scope = runtime.asyncContext;
  const current = (): Call | undefined => scope?.current();

  const clients = createClients({
    runtime,
    tls,
    maxConnectionsPerEndpoint,
    idleTimeoutMs,
    discovery: options.discovery ?? staticDiscovery({}),
    policyOf: (name): ClientPolicy => ({ ...policies[everyService], ...policies[name] }),
    metrics,
    clock,
    random,
    current,
  });
  const app = (each: AppOptions = {}): ReturnType<Mesh["app"]> =>
    createApp({ onError, ...each, pipeline, asyncContext: scope, clock, health, metrics });
  const parts: ServingParts = {
    runtime,
    tls,
    pipeline,
    health,
    metrics,
    clock,
    scope,
    onError,
    defaultApp: () => app(),
  };
  const close = (): Promise<void> => clients.close();

  return {
    service,
    runtime,
    metrics,
    rest: clients.rest,
    transport: clients.transport,
    fetch: clients.fetch,
    app,
    serve: (served) => startServer(parts, served, close),
    handler: (served) => createHandler(parts, served),
    current,
    close,
  };
}
