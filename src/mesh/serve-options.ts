import type { Interceptor } from "@connectrpc/connect";
import type { TlsOptions } from "../core/identity.ts";
import type { ServedApp } from "../hono/served-app.ts";
import type { ListenerLimits } from "../net/port.ts";
import type { ResponseCompression } from "../rpc/server/dispatcher.ts";
import type { RpcRouter } from "../rpc/server/router.ts";
import type { RpcValidation } from "../rpc/server/validation.ts";
import type { DrainOptions } from "../serve/lifecycle.ts";

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

/**
 * The admin port: `/healthz`, `/readyz` and `/metrics`, open to everybody who reaches it, past security and limits. It is
 * there until the server is closed, also while that drains.
 */
export interface AdminOptions {
  readonly port: number;
  /** The address that it listens on. @default the server's `hostname` */
  readonly hostname?: string;
  /** Whether it shows the mesh's identity; probes of an orchestrator can check none. @default false: cleartext */
  readonly tls?: boolean;
  /** With `tls`: whether clients must show a certificate. @default "require" where `ca` has an authority as PEM, else "none" */
  readonly clientAuth?: "require" | "request" | "none";
}

/** How and where it is served. */
export interface ServeOptions extends HandlerOptions {
  /** @default 8080 */
  readonly port?: number;
  /** Two ports instead of one: REST, Connect and gRPC-Web on the first, gRPC on the second. */
  readonly ports?: { readonly rest: number; readonly grpc: number };
  /** @default "0.0.0.0" */
  readonly hostname?: string;
  /**
   * `false` serves cleartext although the mesh has an identity. Options of its own are for a server that shows another
   * certificate than the mesh's, such as a public one; what they leave out is the mesh's.
   *
   * @default true when the mesh has `tls`
   */
  readonly tls?: boolean | TlsOptions;
  /**
   * Whether clients must show a certificate of an authority that is given in `ca` as PEM.
   *
   * @default "require" where there is such an authority, else "none"
   */
  readonly clientAuth?: "require" | "request" | "none";
  /** What happens after `close()` before work in flight is ended. @default no delay, and up to 30 s */
  readonly drain?: DrainOptions;
  /** A port of its own for `/healthz`, `/readyz` and `/metrics`. @default there is none */
  readonly admin?: AdminOptions;
  /**
   * Whether opening the port replaces the global `Response` and `Request` by ones that are faster to serve, and the same in
   * every way that a program can tell. With `false` handlers are given the platform's own `Request`, and nothing global
   * changes; what another server of the process replaced stays so. `docs/decisions/listener.md` has the speed of both.
   *
   * @default true
   */
  readonly overrideGlobalObjects?: boolean;
  /** How many connections each port takes, and for how long. */
  readonly connections?: ListenerLimits;
  /** Closes at SIGTERM and SIGINT, and forces at the second; when no server is left, the mesh. @default false */
  readonly closeOnSignals?: boolean;
}

/** A service that is being served. */
export interface Server {
  /** The port (of REST, when there are two). */
  readonly port: number;
  readonly ports: { readonly rest: number; readonly grpc: number };
  /** Scheme, host and port, to reach it from this machine. */
  readonly url: string;
  /** The admin port, if one was asked for. */
  readonly admin: { readonly port: number; readonly url: string } | undefined;
  /** Requests that have not finished yet. */
  readonly inFlight: number;
  /** Resolves when the last port is closed. */
  readonly closed: Promise<void>;
  /** Says whether this server wants traffic; its `/readyz` tells. */
  setReady(ready: boolean): void;
  /** Says whether one RPC service (`package.Service`) takes calls; gRPC health tells. @default it does */
  setServing(service: string, serving: boolean): void;
  /**
   * Not ready, GOAWAY, work in flight finishes, ports close. `force` (or a second signal) ends the work in flight. The
   * mesh's clients and its other servers go on.
   */
  close(options?: { readonly force?: boolean }): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A fetch handler, as edge platforms want it: `export default mesh.handler({ app, routes })`. */
export interface MeshHandler {
  fetch(request: Request, env?: unknown, context?: unknown): Promise<Response>;
}
