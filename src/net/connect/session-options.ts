import type { ConnectionOptions } from "../../http/http2/connection-options.ts";
import type { RpcKeepalive } from "../../rpc/client/transport-settings.ts";
import type { OnConnection } from "./connection-events.ts";
import type { DialOptions } from "./dial.ts";

/** How sessions are opened and looked after. */
export interface SessionOptions extends DialOptions {
  /** A session unused for so long is verified by a ping before its next call. */
  readonly verifyAfterIdleMs: number;
  /** A ping that asks whether the connection still works is waited for so long; then it is given up. */
  readonly pingTimeoutMs: number;
  readonly keepalive: RpcKeepalive | undefined;
  /** How long a session is given new calls; up to a tenth less. @default no limit */
  readonly maxConnectionAgeMs?: number | undefined;
  /** Told when it opens, fails to, and ends. */
  readonly onConnection?: OnConnection;
}

/** How a session speaks HTTP/2. */
export const connectionOptions: Omit<ConnectionOptions, "clock"> = {
  role: "client",
  maxStreams: 0,
  maxHeaderListBytes: 64 * 1024,
  streamWindowBytes: 1024 * 1024,
  connectionWindowBytes: 8 * 1024 * 1024,
  settingsTimeoutMs: 10_000,
};
