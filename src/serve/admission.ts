import type { Call, Protocol } from "../core/call.ts";
import type { Connection } from "../core/connection.ts";
import type { HeaderSource } from "../core/headers.ts";

/** What is known of a request before anything of it is read or routed. */
export interface InboundRequest {
  readonly protocol: Protocol;
  /** Route pattern when known, else the method; `package.Service/Method` for RPC. */
  readonly operation: string;
  readonly headers: HeaderSource;
  readonly connection: Connection;
  /** Aborts when the client goes away. */
  readonly signal?: AbortSignal | undefined;
  /** Remaining time that the protocol's own header grants (`grpc-timeout`, `Connect-Timeout-Ms`); REST uses `mesh-timeout-ms`. */
  readonly timeoutMs?: number | undefined;
}

/**
 * The protocol-neutral part of the server's chain, shared by the Hono middleware and the RPC dispatch.
 * Whoever opened a call must end it (`call.end(outcome)`), whatever happens: metrics and concurrency hang on it.
 */
export interface Admission {
  /** Makes the server's call: request id, trace context, attempt, priority, clamped deadline; starts the metrics. Never throws. */
  open(inbound: InboundRequest): Call;
  /**
   * Runs the gates: peer pre-limit, security, rate limit per principal, concurrency. Synchronous whenever it can be.
   *
   * @throws MeshError `ERR_UNAUTHENTICATED`, `ERR_PERMISSION_DENIED`, `ERR_RATE_LIMITED`, `ERR_BULKHEAD_FULL`, `ERR_SHUTTING_DOWN`
   */
  admit(call: Call, inbound: InboundRequest): void | Promise<void>;
}
