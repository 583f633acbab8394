import type { Compression } from "@connectrpc/connect/protocol";
import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { Connection, ConnectOptions } from "../core/connection.ts";
import type { TransportFault } from "../core/errors.ts";
import type { ConnectionEvent } from "../core/events.ts";
import type { TlsOptions } from "../core/identity.ts";
import type { HttpTransport } from "../rest/http-transport.ts";
import type { RpcTransport, RpcTransportOptions } from "../rpc/client/rpc-transport.ts";
import type { RpcDispatcher } from "../rpc/server/dispatcher.ts";

export type { ConnectOptions } from "../core/connection.ts";
export type { RpcTransport, RpcTransportOptions } from "../rpc/client/rpc-transport.ts";

/** The runtimes that have an adapter; `web` is any platform with `fetch` and nothing else. */
export type RuntimeName = "node" | "deno" | "bun" | "workerd" | "web";

/** What a runtime can do. Asking for something it cannot do fails at construction. */
export interface Capabilities {
  /** Open a port (HTTP/1.1, HTTP/2, gRPC on one). */
  readonly listen: boolean;
  /** Present a client certificate given as PEM. */
  readonly mtlsClient: boolean;
  /** Demand and read client certificates. */
  readonly mtlsServer: boolean;
  /** Verify a server by another name than its address, or by its SPIFFE ID. */
  readonly serverIdentity: boolean;
  /** Choose the cipher suites of TLS. */
  readonly tlsCiphers: boolean;
  /** Call native gRPC (needs HTTP/2 trailers). */
  readonly grpcClient: boolean;
  /** Serve native gRPC. */
  readonly grpcServer: boolean;
  /** Stream in both directions at once through `fetch`. */
  readonly fetchBidi: boolean;
  /** Async context, by which calls made in a handler inherit its deadline and trace. */
  readonly asyncContext: boolean;
  /** Receive SIGTERM and SIGINT. */
  readonly signals: boolean;
}

/** Server side of TLS. */
export interface ServerTls extends TlsOptions {
  /** `require` refuses, during the handshake, clients without a certificate of the CA. */
  readonly clientAuth: "require" | "request" | "none";
}

/** What a runtime listens with. */
export interface ListenOptions {
  readonly hostname: string;
  /** One port for everything, or REST (with Connect and gRPC-Web) and gRPC apart. 0 lets the system choose. */
  readonly ports: { readonly all: number } | { readonly rest: number; readonly grpc: number };
  readonly tls: ServerTls | undefined;
  /** Everything that is not an RPC. */
  readonly fetch: (request: Request, connection: Connection) => Response | Promise<Response>;
  readonly rpc: RpcDispatcher | undefined;
  /**
   * Told about errors that belong to no request: broken handshakes, sockets that fail, connections that are too many. That of
   * a handshake is a `TransportError` that says why (`tlsReason`), with the address in its message.
   */
  readonly onConnectionError: (
    kind: "tls" | "protocol" | "socket" | "limit",
    error: unknown,
    remoteAddress: string,
  ) => void;
  /** Told of connections that open and close; never throws. @default nobody is */
  readonly onConnection?: ((event: ConnectionEvent) => void) | undefined;
  /** Told of requests that are refused for what they ask for, before anybody serves them; never throws. @default nobody is */
  readonly onRequestRefused?: ((remoteAddress: string, method: string, status: number) => void) | undefined;
  /**
   * Told of what escaped from `fetch` or an RPC handler, or could not be written; the client got a bare 500.
   * Both respond for their own errors, so this is a bug. @default nobody is told
   */
  readonly onHandlerError?: ((error: unknown) => void) | undefined;
  readonly limits?: ListenerLimits | undefined;
  /** Whether `Response` and `Request` of the global object are replaced by faster ones. @default true */
  readonly overrideGlobalObjects?: boolean | undefined;
  /** Times connections. @default the system's */
  readonly clock?: Clock | undefined;
}

/** How many connections a port takes, and for how long. */
export interface ListenerLimits {
  /** Connections in all; more are closed as they come. @default 20_000 */
  readonly maxConnections?: number | undefined;
  /** Connections from one address. @default 2_000 */
  readonly maxConnectionsPerAddress?: number | undefined;
  /** How long a connection takes new requests, in milliseconds, up to a tenth less. @default no limit */
  readonly maxConnectionAgeMs?: number | undefined;
  /** How long requests that are open then may take, in milliseconds. @default no limit */
  readonly maxConnectionAgeGraceMs?: number | undefined;
  /**
   * How long a connection without a request is kept, in milliseconds: longer than clients and proxies keep theirs, or
   * requests are lost that are written while this side closes. Responses over HTTP/1.1 announce it.
   *
   * @default 75_000 over HTTP/1.1, 300_000 over HTTP/2
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Pings on HTTP/2 connections with open requests: they find clients that are gone without a word, and keep the mappings
   * of NATs and balancers on the way.
   *
   * @default after 5 min of silence, and 1 min for the reply
   */
  readonly keepalive?: ServerKeepalive | undefined;
  /**
   * Addresses and ranges of the proxies that say by the PROXY protocol (version 1 or 2) for whom they connect, such as
   * `["10.0.0.0/8"]`; the client's address is what handlers, limits and logs are told. Connections from them must begin with
   * it, and are not bounded by `maxConnectionsPerAddress`; others must not.
   *
   * @default none
   */
  readonly proxyProtocol?: readonly string[] | undefined;
}

/** HTTP/2 pings of a server. */
export interface ServerKeepalive {
  /** A ping goes out after so much silence, or up to a fifth more, in milliseconds. */
  readonly intervalMs: number;
  /** A ping unanswered for so long closes the connection, in milliseconds. @default 15_000 */
  readonly timeoutMs?: number | undefined;
}

/** An open port. */
export interface Listener {
  /** The ports that are really open. */
  readonly ports: { readonly rest: number; readonly grpc: number };
  /** Requests that have not finished yet, RPC streams included. */
  readonly inFlight: number;
  /** Stops accepting, sends GOAWAY and `connection: close`, resolves when the last request has finished. */
  drain(): Promise<void>;
  /** Ends everything at once; resolves when the ports are closed. */
  destroy(): Promise<void>;
}

/** Carries the current call through `await`s. */
export interface AsyncContext {
  run<T>(call: Call, task: () => T): T;
  current(): Call | undefined;
}

/** What every runtime adapter offers; the only interface between the mesh and its platform. */
export interface Runtime {
  readonly name: RuntimeName;
  readonly capabilities: Capabilities;
  /** @throws MeshError `ERR_TLS_CONFIG` for a broken identity, `ERR_CAPABILITY` where the runtime cannot use PEM */
  openHttpTransport(options: ConnectOptions): HttpTransport;
  /** @throws MeshError `ERR_TLS_CONFIG`, `ERR_CAPABILITY` (for example native gRPC on workerd) */
  openRpcTransport(options: RpcTransportOptions): RpcTransport;
  /** @throws MeshError `ERR_TLS_CONFIG`, `ERR_CAPABILITY`, `ERR_LISTEN` */
  listen(options: ListenOptions): Promise<Listener>;
  /** Encodings in which Connect and gRPC-Web messages are served, best first. @default gzip by web streams */
  readonly messageCompressions?: readonly Compression[];
  /** How the connection failed, from whatever error the platform raised; undefined if it is no such error. */
  faultOf(error: unknown): TransportFault | undefined;
  readonly asyncContext: AsyncContext | undefined;
  /** Calls `handler` at each of these signals; the returned function stops that. */
  onSignals(signals: readonly ("SIGTERM" | "SIGINT")[], handler: (signal: string) => void): () => void;
}
