import { Agent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createNodeHttpClient } from "@connectrpc/connect-node";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { ServerIdentity } from "../../core/identity.ts";
import type { RpcTransportState } from "../../rpc/client/rpc-transport.ts";
import type { RpcKeepalive } from "../../rpc/client/transport-settings.ts";
import type { ConnectOptions } from "../port.ts";
import { clientTls } from "../tls/client-tls.ts";
import { refuseCleartext } from "../tls/server-check.ts";
import { connectionError, watchSockets } from "./http1-sockets.ts";
import { createHttp2Client } from "./http2-fetch-client.ts";
import { defaultIdleMs, IdleLimits } from "./idle-limits.ts";
import { poolDefaults, SessionPool } from "./session-pool.ts";

/** How long open calls may go on when the client is closed. */
const closeGraceMs = 30_000;

/** How {@link openUniversalClient} connects. */
export interface UniversalClientOptions extends ConnectOptions {
  readonly origin: string;
  readonly httpVersion: "1.1" | "2";
  /** Who the server must be, where the origin does not say. @default as the origin says */
  readonly server?: ServerIdentity | undefined;
  /** Pings on HTTP/2 connections. @default every 30 s while calls are open, unanswered for 10 s at most */
  readonly keepalive?: RpcKeepalive | undefined;
  /** @default 30_000 */
  readonly verifyAfterIdleMs?: number | undefined;
  /** @default 5_000 */
  readonly pingTimeoutMs?: number | undefined;
  /** @default the system's */
  readonly clock?: Clock | undefined;
}

/** Connections to one endpoint, as Connect's protocols use them. */
export interface UniversalClient {
  readonly httpClient: UniversalClientFn;
  /** The sessions at this moment, for metrics; over HTTP/2. */
  readonly state?: () => RpcTransportState;
  /** Whether requests are open, over HTTP/1.1. */
  readonly busy?: () => boolean;
  /** Ends them. */
  close(): Promise<void>;
}

/** A peer that vanished without a word is noticed while calls wait for it. */
const defaultKeepalive: RpcKeepalive = { intervalMs: 30_000, timeoutMs: 10_000 };

/** Connects when the first call needs it, and again after a GOAWAY or a failure. */
export function openUniversalClient(options: UniversalClientOptions): UniversalClient {
  return options.httpVersion === "2" ? openHttp2(options) : openHttp1(options);
}

function openHttp2(options: UniversalClientOptions): UniversalClient {
  const { origin, tls, server, keepalive = defaultKeepalive, clock = systemClock } = options;
  const { verifyAfterIdleMs = poolDefaults.verifyAfterIdleMs, pingTimeoutMs = poolDefaults.pingTimeoutMs } =
    options;
  const pool = new SessionPool({
    ...poolDefaults,
    origin,
    tls,
    server,
    clock,
    keepalive,
    verifyAfterIdleMs,
    pingTimeoutMs,
  });
  return {
    httpClient: createHttp2Client(pool),
    state: () => pool.state,
    close: () => pool.close(closeGraceMs),
  };
}

function openHttp1(options: UniversalClientOptions): UniversalClient {
  const {
    origin,
    tls,
    server,
    maxConnectionsPerEndpoint,
    idleTimeoutMs = defaultIdleMs,
    clock = systemClock,
  } = options;
  refuseCleartext(origin, server);
  // The agent ends connections that are unused for so long; used ones are not its business.
  const pool = { keepAlive: true, maxSockets: maxConnectionsPerEndpoint, timeout: idleTimeoutMs };
  const agent = origin.startsWith("https:")
    ? new SecureAgent({
        ...pool,
        ...clientTls(tls, server),
      })
    : new Agent(pool);
  const unsent = watchSockets(agent, { origin, limits: new IdleLimits(), clock });
  const send = createNodeHttpClient({ httpVersion: "1.1", nodeOptions: { agent } });
  return {
    httpClient: (request) =>
      send(request.body === undefined ? request : { ...request, body: withoutEmpty(request.body) }).catch(
        async (error: unknown) => {
          throw await connectionError({ origin, tls, server }, error, unsent, clock);
        },
      ),
    busy: () => Object.keys(agent.sockets).length > 0 || Object.keys(agent.requests).length > 0,
    async close() {
      agent.destroy();
    },
  };
}

/** A message without fields is no bytes at all, and Deno fails to write none to a TLS socket (`EPERM`). */
function withoutEmpty(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const inner = chunks[Symbol.asyncIterator]();
      return {
        async next() {
          for (;;) {
            const result = await inner.next();
            if (result.done === true || result.value.byteLength > 0) return result;
          }
        },
        ...(inner.return && { return: (value?: unknown) => inner.return!(value) }),
        ...(inner.throw && { throw: (error?: unknown) => inner.throw!(error) }),
      };
    },
  };
}
