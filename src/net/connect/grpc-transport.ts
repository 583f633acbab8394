import { systemClock } from "../../core/clock.ts";
import { createGrpcTransport, type GrpcTransport } from "../../rpc/client/grpc-client.ts";
import { type GrpcTransportOptions, limit, originOf } from "../../rpc/client/grpc-client-options.ts";
import { compressions } from "../compression.ts";
import { maxSessionsOf, type PoolState, poolDefaults, SessionPool } from "./session-pool.ts";

/** How the connections of a {@link PooledGrpcTransport} are kept, beside what the transport says itself. */
export interface PooledGrpcOptions extends Omit<GrpcTransportOptions, "compressions"> {
  /** Sessions to the endpoint at most. @default 8, and no more than `maxConnectionsPerEndpoint` */
  readonly maxSessions?: number | undefined;
  /** @default 10_000 */
  readonly connectTimeoutMs?: number | undefined;
  /** A session unused for so long is verified by a ping before its next call. @default 30_000 */
  readonly verifyAfterIdleMs?: number | undefined;
  /** How long that ping may take. @default 5_000 */
  readonly pingTimeoutMs?: number | undefined;
}

/** A gRPC client with connections of its own. */
export interface PooledGrpcTransport extends GrpcTransport {
  state(): PoolState;
}

/**
 * Opens the gRPC client of one endpoint with a pool of HTTP/2 sessions. It connects at the first call.
 *
 * @throws TypeError for an origin that is none
 * @throws RangeError for a limit out of range
 */
export function openGrpcTransport(options: PooledGrpcOptions): PooledGrpcTransport {
  const pool = new SessionPool({
    origin: originOf(options.origin).origin,
    tls: options.tls,
    server: options.server,
    clock: options.clock ?? systemClock,
    connectTimeoutMs: options.connectTimeoutMs ?? poolDefaults.connectTimeoutMs,
    verifyAfterIdleMs: options.verifyAfterIdleMs ?? poolDefaults.verifyAfterIdleMs,
    pingTimeoutMs: options.pingTimeoutMs ?? poolDefaults.pingTimeoutMs,
    keepalive: options.keepalive,
    onConnection: options.onConnection,
    maxConnectionAgeMs: options.maxConnectionAgeMs,
    maxSessions: limit("maxSessions", options.maxSessions ?? maxSessionsOf(options)),
  });
  return { ...createGrpcTransport({ ...options, compressions }, pool), state: () => pool.state };
}
