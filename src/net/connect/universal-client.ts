import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { ServerIdentity } from "../../core/identity.ts";
import type { RpcTransportState } from "../../rpc/client/rpc-transport.ts";
import type { RpcKeepalive } from "../../rpc/client/transport-settings.ts";
import type { ConnectOptions } from "../port.ts";
import { refuseCleartext } from "../tls/server-check.ts";
import type { Http1Client } from "./http1-client.ts";
import { createHttp2Client } from "./http2-fetch-client.ts";
import { maxSessionsOf, poolDefaults, SessionPool } from "./session-pool.ts";

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
  const { origin, tls, server, keepalive = defaultKeepalive, clock = systemClock, onConnection } = options;
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
    onConnection,
    maxConnectionAgeMs: options.maxConnectionAgeMs,
    maxSessions: maxSessionsOf(options),
  });
  return {
    httpClient: createHttp2Client(pool),
    state: () => pool.state,
    close: () => pool.close(closeGraceMs),
  };
}

function openHttp1(options: UniversalClientOptions): UniversalClient {
  refuseCleartext(options.origin, options.server);
  let opened: Http1Client | undefined;
  let loading = 0;
  let closed = false;

  /** Loads it when it is needed, which is seldom: Node's HTTP client takes longer to load than all the rest. */
  async function open(): Promise<Http1Client> {
    loading++;
    try {
      const { createHttp1Client } = await import("./http1-client.ts");
      if (closed) throw new ConnectError("the client has been closed", Code.Unavailable);
      opened ??= createHttp1Client(options);
      return opened;
    } finally {
      loading--;
    }
  }

  return {
    httpClient: async (request) => (opened ?? (await open())).httpClient(request),
    busy: () => loading > 0 || opened?.busy() === true,
    async close() {
      closed = true;
      await opened?.close();
    },
  };
}
