import type { Interceptor, Transport } from "@connectrpc/connect";
import type { Env, Hono, MiddlewareHandler } from "hono";
import type { EndpointStatus } from "../balance/endpoint-registry.ts";
import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { MeshEvent } from "../core/events.ts";
import type { TlsOptions } from "../core/identity.ts";
import type { Random } from "../core/random.ts";
import type { Source } from "../core/source.ts";
import type { Resolver } from "../discovery/resolver.ts";
import type { AppOptions } from "../hono/app-options.ts";
import type { MeshEnv } from "../hono/env.ts";
import type { Runtime } from "../net/port.ts";
import type { MeshFetch } from "../rest/mesh-fetch.ts";
import type { RestClient, RestDefaults } from "../rest/rest-client.ts";
import type { RpcTransportEncoding } from "../rpc/client/transport-settings.ts";
import type { RpcProtocol } from "../rpc/dialect/rpc-protocol.ts";
import type { RpcHealth, RpcHealthOptions } from "../rpc/health/rpc-health.ts";
import type { Bridge } from "../serve/bridge.ts";
import type { HealthCheck } from "../serve/health-checks.ts";
import type { ServerOptions } from "../serve/server-options.ts";
import type { Logger, LoggingOptions } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Policies } from "./client-policy.ts";
import type { MeshLayers } from "./layers.ts";
import type { HandlerOptions, MeshHandler, ServeOptions, Server } from "./serve-options.ts";

export type {
  AdminOptions,
  HandlerOptions,
  MeshHandler,
  ServedHealthOptions,
  ServeOptions,
  Server,
} from "./serve-options.ts";

/** Told of {@link MeshEvent}s; with the call that they are about, where there is one. */
export type MeshEventListener = (event: MeshEvent, call: Call | undefined) => void;

/** What a mesh is made of. */
export interface MeshOptions {
  /** The name of the service that this process is. */
  readonly service: string;
  /**
   * The identity shown to other services, the roots trusted and how TLS is spoken; clients and servers both use it. Of a source, what opens
   * later (a listener, RPC connections to another endpoint) takes the value of that time; what is open stays as it is.
   *
   * @default cleartext
   */
  readonly tls?: TlsOptions | Source<TlsOptions>;
  /** Knows where the other services are; closed with the mesh. @default none is known */
  readonly resolver?: Resolver;
  /**
   * Policies by the name of the called service, or by the origin of one outside of the mesh; `"*"` holds for all, a name's own entry wins field by field. See
   * `docs/policies.md`. A source's new value holds for the next calls; one that is no good is told to `onError`, and the
   * one before stays.
   */
  readonly policies?: Policies | Source<Policies>;
  /** Layers of the application's own, at named positions; see `docs/layers.md`. @default none */
  readonly layers?: MeshLayers;
  /**
   * Told what is decided about each call (the endpoint that was picked, retries, refusals) and what happens around them:
   * breakers, endpoints, connections, TLS failures, drains, errors. @default nobody is told
   */
  readonly onEvent?: MeshEventListener;
  /**
   * Writes events, errors and the access log down: a `pino` logger, `console`, or `messageFirst(logger)` for LogTape. See
   * `docs/logging.md`. @default silent
   */
  readonly logger?: Logger;
  /** What the logger is given. @default events from `info` on, and a line for each request that is served */
  readonly logging?: LoggingOptions;
  /** Connections to one endpoint: this many of HTTP/1.1, and no more than 8 of HTTP/2, which calls share. @default 100 */
  readonly maxConnectionsPerEndpoint?: number;
  /**
   * How long an unused HTTP/1.1 connection of a client is kept, in milliseconds: less than servers and proxies on the way
   * keep it, or requests are lost that are written while the other side closes. What a server announces
   * (`Keep-Alive: timeout`) is heeded, and so is what was seen of its closing.
   *
   * @default 4_000; where the server announces to keep it for longer, until a second before that, and 30_000 at most
   */
  readonly idleTimeoutMs?: number;
  /**
   * How long a connection of a client is given new calls, in milliseconds, up to a tenth less: behind a load balancer that
   * picks a server for each connection, calls reach new servers only over new ones. Open calls and streams end undisturbed.
   * What is connected by `fetch` (REST on Bun, all on Workers and in browsers) is the platform's own affair.
   *
   * @default no limit
   */
  readonly maxConnectionAgeMs?: number;
  /**
   * Security, limits and deadlines of the server side, the same for REST and RPC; a source where they change while the
   * process runs. New ones that make no sense are told to `onError`, and those before stay in use.
   */
  readonly server?: ServerOptions | Source<ServerOptions>;
  /** What must hold for the service to be ready, by name; `/readyz` tells. @default nothing */
  readonly checks?: Readonly<Record<string, HealthCheck>>;
  /**
   * Told of what handlers threw that the caller only sees as an internal error; without a call where it belongs to none.
   * A logger is told as well.
   *
   * @default console.error, or only the logger
   */
  readonly onError?: (error: unknown, call: Call | undefined) => void;
  /** Collects metrics; give one to share a registry between meshes. @default its own */
  readonly metrics?: Metrics;
  /** The platform adapter. @default the one of the runtime that runs */
  readonly runtime?: Runtime;
  /** @default the system's clock */
  readonly clock?: Clock;
  /** @default Math.random */
  readonly random?: Random;
}

/** How an RPC transport speaks. */
export interface TransportOptions extends RpcTransportEncoding {
  /** @default "grpc" where the runtime and every endpoint of the service can, and `httpVersion` allows it, else "connect" */
  readonly protocol?: RpcProtocol;
  /** `false` sends JSON. @default true */
  readonly useBinaryFormat?: boolean;
  /**
   * Calls of methods without side effects go out as GET where the transport speaks Connect, so that caches on the
   * way can serve them. @default false
   */
  readonly useHttpGet?: boolean;
  /** The largest message in either direction, in bytes. @default 4 MiB */
  readonly maxMessageBytes?: number;
  /** Connect interceptors, outside the mesh's own layers. */
  readonly interceptors?: readonly Interceptor[];
}

/** A Connect transport to a service of the mesh. */
export interface MeshTransport extends Transport {
  /** The service's name. */
  readonly service: string;
  /** What the next call is sent by; metrics label each call with it. It changes when an endpoint turns out to refuse gRPC. */
  readonly protocol: RpcProtocol;
  /**
   * Asks the service how it is, by gRPC's standard health service; `mesh.rest(name).health()` asks by REST.
   *
   * @example
   * ```ts
   * const { ready } = await mesh.transport("lake").health({ of: "datapunk.lake.v1.LakeService" });
   * ```
   * @throws ConnectError only when the caller cancelled; what fails otherwise is in the result
   */
  health(options?: RpcHealthOptions): Promise<RpcHealth>;
}

/** One service's view of the mesh. */
export interface Mesh {
  readonly service: string;
  readonly runtime: Runtime;
  readonly metrics: Metrics;
  /**
   * A REST client of a service, or of an origin outside of the mesh: `mesh.rest("https://api.example.com/v1")`.
   *
   * @throws TypeError when it is neither a name nor a URL that can be called
   */
  rest(service: string, defaults?: RestDefaults): RestClient;
  /**
   * A Connect transport to a service, or to an origin outside of the mesh, for `createClient`.
   *
   * @throws TypeError when it is neither a name nor a URL that can be called, or a URL with a path
   */
  transport(service: string, options?: TransportOptions): MeshTransport;
  /** Like the platform's `fetch`, through the pipeline: `mesh://lake/datasets`, or any http(s) URL. */
  readonly fetch: MeshFetch;
  /** The endpoints of the services that were called so far, and what is known of them. */
  endpoints(): readonly EndpointStatus[];
  /**
   * A Hono app with the server's layers in place.
   *
   * @typeParam E - the application's own bindings and variables, beside those of the mesh
   * @example
   * ```ts
   * const app = mesh.app<{ Variables: { tenant: string } }>();
   * ```
   */
  app<E extends Env = MeshEnv>(options?: AppOptions): Hono<E & MeshEnv>;
  /**
   * The same layers, and the same `/healthz`, `/readyz` and, if `expose` says so, `/metrics`, for a Hono app that exists already: put it first.
   * The app's own `onError`, its `notFound` and its own routes at these paths are respected.
   *
   * @example
   * ```ts
   * const app = new Hono();
   * app.use(mesh.middleware());
   * app.get("/datasets/:name", (c) => c.json(find(c.req.param("name"))));
   * await mesh.serve({ app });
   * ```
   */
  middleware(options?: AppOptions): MiddlewareHandler<MeshEnv>;
  /**
   * A middleware for Express, a hook for Fastify, and a wrapper for `node:http`: what the handlers of these servers call by
   * the mesh inherits request id, trace, priority, deadline and cancellation. Requests are counted; security and limits
   * are the other framework's.
   *
   * @example
   * ```ts
   * express().use(mesh.bridge());
   * fastify().addHook("onRequest", mesh.bridge());
   * ```
   * @throws MeshError `ERR_CAPABILITY` where the runtime has no async context
   */
  bridge(): Bridge;
  /**
   * Opens a port. Servers of one mesh share its limits, metrics and checks; each is ready, drains and closes by itself.
   *
   * @throws MeshError `ERR_CAPABILITY` where the runtime cannot open a port: use `handler` there; `ERR_LISTEN` when the
   * port is in use, or may not be opened
   */
  serve(options: ServeOptions): Promise<Server>;
  /** A fetch handler for platforms that bring their own listener. */
  handler(options: HandlerOptions): MeshHandler;
  /** The call whose handler runs now; undefined outside of one, or where the runtime has no async context. */
  current(): Call | undefined;
  /**
   * Drains and closes every server, with `force` at once, then closes every connection of the clients, and the resolver.
   * From then on the mesh serves nothing.
   */
  close(options?: { readonly force?: boolean }): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
