import type { Interceptor, Transport } from "@connectrpc/connect";
import type { Env, Hono, MiddlewareHandler } from "hono";
import type { EndpointStatus } from "../balance/endpoint-registry.ts";
import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { MeshEvent } from "../core/events.ts";
import type { TlsIdentity } from "../core/identity.ts";
import type { Random } from "../core/random.ts";
import type { Source } from "../core/source.ts";
import type { Resolver } from "../discovery/resolver.ts";
import type { AppOptions } from "../hono/app-options.ts";
import type { MeshEnv } from "../hono/env.ts";
import type { ServedApp } from "../hono/served-app.ts";
import type { ListenerLimits, Runtime } from "../net/port.ts";
import type { MeshFetch } from "../rest/mesh-fetch.ts";
import type { RestClient, RestDefaults } from "../rest/rest-client.ts";
import type { RpcTransportEncoding } from "../rpc/client/transport-settings.ts";
import type { RpcProtocol } from "../rpc/dialect/rpc-protocol.ts";
import type { RpcHealth, RpcHealthOptions } from "../rpc/health/rpc-health.ts";
import type { ResponseCompression } from "../rpc/server/dispatcher.ts";
import type { RpcRouter } from "../rpc/server/router.ts";
import type { RpcValidation } from "../rpc/server/validation.ts";
import type { Bridge } from "../serve/bridge.ts";
import type { HealthCheck } from "../serve/health.ts";
import type { ServerOptions } from "../serve/server-options.ts";
import type { Logger, LoggingOptions } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Policies } from "./client-policy.ts";
import type { MeshLayers } from "./layers.ts";

/** Told of {@link MeshEvent}s; with the call that they are about, where there is one. */
export type MeshEventListener = (event: MeshEvent, call: Call | undefined) => void;

/** What a mesh is made of. */
export interface MeshOptions {
  /** The name of the service that this process is. */
  readonly service: string;
  /**
   * The identity shown to other services and the roots trusted; clients and servers both use it. Of a source, what opens
   * later (a listener, RPC connections to another endpoint) takes the value of that time; what is open stays as it is.
   *
   * @default cleartext
   */
  readonly tls?: TlsIdentity | Source<TlsIdentity>;
  /** Knows where the other services are; closed with the mesh. @default none is known */
  readonly resolver?: Resolver;
  /**
   * Policies by the name of the called service; `"*"` holds for all, a name's own entry wins field by field. See
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
  /** HTTP/1.1 connections to one endpoint. @default 100 */
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

/** How gRPC health is served. */
export interface ServedHealthOptions {
  /** How often the checks are asked for clients that watch, in milliseconds. @default 5000 */
  readonly checkIntervalMs?: number;
  /** Clients that watch at the same time; more are refused with `resource_exhausted`. @default 1000 */
  readonly maxWatches?: number;
  /** Watches of one connection. @default 100 */
  readonly maxWatchesPerConnection?: number;
}

/** What is served. */
export interface HandlerOptions {
  /**
   * The REST side: any Hono app, or anything with a `fetch`. The server's layers are around it in any case: those of
   * `mesh.app()` or `mesh.middleware()`, and else they are put around the whole.
   *
   * @default an app that knows `/healthz`, `/readyz` and `/metrics` only
   */
  readonly app?: ServedApp;
  /** The RPC side: Connect's own router. */
  readonly routes?: (router: RpcRouter) => void;
  /** Connect interceptors on the RPC side, inside the server's layers. */
  readonly interceptors?: readonly Interceptor[];
  /** The largest RPC message in either direction, in bytes. @default 4 MiB */
  readonly maxMessageBytes?: number;
  /**
   * Which responses to RPCs are compressed, from 1 KiB on: those to requests that came compressed, or all to clients that
   * accept it, which nearly all say. The first saves processor time, the second bytes: for browsers and long ways.
   *
   * @default "requested"
   */
  readonly responseCompression?: ResponseCompression;
  /**
   * gRPC's standard health service beside the routes: the same readiness as `/readyz`, past security, limits and
   * metrics; `false` leaves it out. @default it is there
   */
  readonly health?: false | ServedHealthOptions;
  /**
   * gRPC's reflection (v1 and v1alpha) beside the routes, so that `grpcurl` and `buf curl` need no schema. It tells
   * the whole interface to every caller that passes security. @default false
   */
  readonly reflection?: boolean;
  /** Checks request messages by the rules in their proto; see `@datapunk/mesh/validate`. @default nothing is checked */
  readonly validate?: RpcValidation;
}

/** How and where it is served. */
export interface ServeOptions extends HandlerOptions {
  /** @default 8080 */
  readonly port?: number;
  /** Two ports instead of one: REST, Connect and gRPC-Web on the first, gRPC on the second. */
  readonly ports?: { readonly rest: number; readonly grpc: number };
  /** @default "0.0.0.0" */
  readonly hostname?: string;
  /** `false` serves cleartext although the mesh has an identity. @default true when the mesh has an identity */
  readonly tls?: boolean;
  /** Whether peers must show a certificate of the CA. @default "require" */
  readonly clientAuth?: "require" | "request" | "none";
  /** How long work in flight may take after `close()`, in milliseconds. @default 30_000 */
  readonly drainMs?: number;
  /** How many connections each port takes, and for how long. */
  readonly connections?: ListenerLimits;
  /** Closes at SIGTERM and SIGINT, and forces at the second. @default false */
  readonly closeOnSignals?: boolean;
}

/** A service that is being served. */
export interface Server {
  /** The port (of REST, when there are two). */
  readonly port: number;
  readonly ports: { readonly rest: number; readonly grpc: number };
  /** Scheme, host and port, to reach it from this machine. */
  readonly url: string;
  /** Requests that have not finished yet. */
  readonly inFlight: number;
  /** Resolves when the last port is closed. */
  readonly closed: Promise<void>;
  /** Says whether the service wants traffic; `/readyz` tells. */
  setReady(ready: boolean): void;
  /** Says whether one RPC service (`package.Service`) takes calls; gRPC health tells. @default it does */
  setServing(service: string, serving: boolean): void;
  /** Not ready, GOAWAY, work in flight finishes, ports close. `force` (or a second signal) ends the work in flight. */
  close(options?: { readonly force?: boolean }): Promise<void>;
}

/** A fetch handler, as edge platforms want it: `export default mesh.handler({ app, routes })`. */
export interface MeshHandler {
  fetch(request: Request, env?: unknown, context?: unknown): Promise<Response>;
}

/** One service's view of the mesh. */
export interface Mesh {
  readonly service: string;
  readonly runtime: Runtime;
  readonly metrics: Metrics;
  /** A REST client of a service. */
  rest(service: string, defaults?: RestDefaults): RestClient;
  /** A Connect transport to a service, for `createClient`. */
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
   * The same layers, and the same `/healthz`, `/readyz` and `/metrics`, for a Hono app that exists already: put it first.
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
  /** @throws MeshError `ERR_CAPABILITY` where the runtime cannot open a port: use `handler` there */
  serve(options: ServeOptions): Promise<Server>;
  /** A fetch handler for platforms that bring their own listener. */
  handler(options: HandlerOptions): MeshHandler;
  /** The call whose handler runs now; undefined outside of one, or where the runtime has no async context. */
  current(): Call | undefined;
  /** Closes every connection of the clients, and the resolver; servers are closed by their own `close()`. */
  close(): Promise<void>;
}
