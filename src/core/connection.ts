import type { Clock } from "./clock.ts";
import type { ConnectionEvent } from "./events.ts";
import type { PeerIdentity, TlsOptions } from "./identity.ts";

/** What a server knows of the connection that a request came by. */
export interface Connection {
  /** IP address of the other end; empty where the platform does not tell. */
  readonly remoteAddress: string;
  /** Whether the connection itself is TLS. */
  readonly encrypted: boolean;
  /** `1.1` or `2`; empty where the platform does not tell. */
  readonly httpVersion: string;
  /** The certificate that the peer proved to own; undefined when it showed none. Read once per connection. */
  readonly peer: PeerIdentity | undefined;
}

/** How a client connects. */
export interface ConnectOptions {
  readonly tls: TlsOptions | undefined;
  /** Upper bound of HTTP/1.1 connections to one origin. */
  readonly maxConnectionsPerEndpoint: number;
  /**
   * How long an unused HTTP/1.1 connection is kept, in milliseconds.
   *
   * @default 4_000; where the server announces to keep it for longer, until a second before that, and 30_000 at most
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * How long a connection is given new requests, in milliseconds, up to a tenth less; what is open then ends undisturbed.
   * What `fetch` connects is the platform's own affair.
   *
   * @default no limit
   */
  readonly maxConnectionAgeMs?: number | undefined;
  /** Times what a transport does by itself. @default the system's */
  readonly clock?: Clock | undefined;
  /** Told of connections, where the platform tells; never throws. @default nobody is */
  readonly onConnection?: ((event: ConnectionEvent) => void) | undefined;
}
