import { Agent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createNodeHttpClient } from "@connectrpc/connect-node";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { ServerIdentity } from "../../core/identity.ts";
import type { ConnectOptions } from "../port.ts";
import { clientTls } from "../tls/client-tls.ts";
import { connectionError, watchSockets } from "./http1-sockets.ts";
import { defaultIdleMs, IdleLimits } from "./idle-limits.ts";

/** How {@link createHttp1Client} connects. */
export interface Http1ClientOptions extends ConnectOptions {
  readonly origin: string;
  /** Who the server must be, where the origin does not say. @default as the origin says */
  readonly server?: ServerIdentity | undefined;
  /** @default the system's */
  readonly clock?: Clock | undefined;
}

/** An HTTP/1.1 client for one endpoint, as Connect's protocols use it. */
export interface Http1Client {
  readonly httpClient: UniversalClientFn;
  /** Whether requests are open. */
  busy(): boolean;
  close(): Promise<void>;
}

/** Makes the client on Node's own agent. */
export function createHttp1Client(options: Http1ClientOptions): Http1Client {
  const {
    origin,
    tls,
    server,
    maxConnectionsPerEndpoint,
    idleTimeoutMs = defaultIdleMs,
    clock = systemClock,
    onConnection,
  } = options;
  // The agent ends connections that are unused for so long; used ones are not its business.
  const pool = { keepAlive: true, maxSockets: maxConnectionsPerEndpoint, timeout: idleTimeoutMs };
  const agent = origin.startsWith("https:")
    ? new SecureAgent({
        ...pool,
        ...clientTls(tls, server),
      })
    : new Agent(pool);
  const unsent = watchSockets(agent, {
    origin,
    limits: new IdleLimits(),
    clock,
    onConnection,
    maxConnectionAgeMs: options.maxConnectionAgeMs,
  });
  const send = createNodeHttpClient({ httpVersion: "1.1", nodeOptions: { agent } });
  return {
    async httpClient(request) {
      const { body } = request;
      try {
        return await send(body === undefined ? request : { ...request, body: withoutEmpty(body) });
      } catch (error) {
        throw await connectionError({ origin, tls, server }, error, unsent, clock);
      }
    },
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
