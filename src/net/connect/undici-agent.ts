import type { Socket } from "node:net";
import { Agent, type buildConnector, Client, type Dispatcher, Pool } from "undici";
import { type Clock, systemClock } from "../../core/clock.ts";
import { ignoreRejection } from "../../core/hooks.ts";
import type { ServerIdentity } from "../../core/identity.ts";
import { checkServerIdentity } from "../../security/server-identity.ts";
import { retirementFrom } from "../connection-age.ts";
import type { ConnectOptions } from "../port.ts";
import { clientTls } from "../tls/client-tls.ts";
import { identityKey } from "../tls/server-check.ts";
import { followSocket, type OnConnection, tellFailed } from "./connection-events.ts";
import { defaultIdleMs, IdleLimits } from "./idle-limits.ts";

/** A new connection that takes longer is given up; a deadline may end the call sooner. */
const connectTimeoutMs = 10_000;

/** Where it does, they are kept until shortly before, and no longer than this. */
const longestIdleMs = 30_000;

/** What is taken off the time that a server announces: its word and the next request cross on the way. */
const idleMarginMs = 1_000;

/** An exchange that tells its connection when it is over. */
export interface WatchedHandler extends Dispatcher.DispatchHandler {
  /** Set before the request is written. */
  connection: WatchedConnection | undefined;
}

/** Where a request goes: one connection, or the next one in its place. */
export interface WatchedConnection {
  /** @param unanswered - that the connection failed before anything of a response came */
  finished(unanswered: boolean): void;
}

type ConnectFunction = buildConnector.connector;

/** One connection of a pool, that is not used again after it was unused for too long. */
class WatchedClient extends Client implements WatchedConnection {
  readonly #origin: string;
  readonly #limits: IdleLimits;
  readonly #idleMs: number;
  readonly #maxAgeMs: number | undefined;
  readonly #clock: Clock;
  #socket: Socket | undefined;
  #open = 0;
  /** When its last exchange ended; undefined while it has had none. */
  #idleSince: number | undefined;
  /** From then on it is given no new requests. */
  #retiresAt = Infinity;
  /** How long it had been unused when the request that is open now was given to it. */
  #usedAfterMs = 0;

  constructor(
    origin: string,
    options: Client.Options,
    own: {
      readonly limits: IdleLimits;
      readonly idleMs: number;
      readonly maxAgeMs: number | undefined;
      readonly clock: Clock;
      readonly onConnection: OnConnection;
    },
  ) {
    const connect = options.connect as ConnectFunction;
    super(origin, {
      ...options,
      connect: (to, callback) =>
        connect(to, (...result) => {
          const [error, socket] = result as readonly [Error | null, (Socket | null)?];
          if (socket) {
            this.#watch(socket);
            followSocket(socket, this.#origin, own.onConnection, { open: true });
          } else tellFailed(own.onConnection, this.#origin, error);
          callback(...result);
        }),
    });
    this.#origin = origin;
    this.#limits = own.limits;
    this.#idleMs = own.idleMs;
    this.#maxAgeMs = own.maxAgeMs;
    this.#clock = own.clock;
  }

  #watch(socket: Socket): void {
    this.#socket = socket;
    this.#idleSince = undefined;
    this.#retiresAt = retirementFrom(this.#clock.now(), this.#maxAgeMs);
    const closed = (): void => {
      if (this.#open > 0 || this.#idleSince === undefined || this.#socket !== socket) return;
      const now = this.#clock.now();
      this.#limits.closedAfter(this.#origin, now - this.#idleSince, now);
    };
    socket.once("end", closed);
    socket.once("error", closed);
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.#open++ === 0 && this.#idleSince !== undefined) {
      const now = this.#clock.now();
      this.#usedAfterMs = now - this.#idleSince;
      const limitMs = Math.min(this.#idleMs, this.#limits.limitOf(this.#origin, now));
      if (this.#usedAfterMs >= limitMs || now >= this.#retiresAt) this.#giveUp();
    }
    (handler as WatchedHandler).connection = this;
    return super.dispatch(options, handler);
  }

  /** The request that comes now waits for another connection. */
  #giveUp(): void {
    this.#usedAfterMs = 0;
    this.#idleSince = undefined;
    this.#socket?.destroy();
  }

  finished(unanswered: boolean): void {
    this.#open--;
    const now = this.#clock.now();
    if (unanswered) this.#limits.closedAfter(this.#origin, this.#usedAfterMs, now);
    this.#usedAfterMs = 0;
    this.#idleSince = now;
  }
}

/** Agents for servers of an identity of their own; the oldest makes room for another. */
const maxAgents = 256;

/**
 * The connections of an HTTP transport, kept apart by who the server must be: one that was verified for one identity is no
 * good for another.
 */
export class Agents {
  readonly #options: ConnectOptions;
  /** For servers that must be what their origins say: nearly all. */
  readonly #plain: Agent;
  readonly #byIdentity = new Map<string, Agent>();
  readonly #keys = new WeakMap<ServerIdentity, string>();

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#plain = openAgent(options, undefined);
  }

  of(server: ServerIdentity | undefined): Agent {
    if (server === undefined) return this.#plain;
    let key = this.#keys.get(server);
    if (key === undefined) {
      checkServerIdentity("a connection", server);
      key = identityKey(server);
      this.#keys.set(server, key);
    }
    let agent = this.#byIdentity.get(key);
    if (agent === undefined) {
      agent = openAgent(this.#options, server);
      const [oldest] = this.#byIdentity;
      if (this.#byIdentity.size >= maxAgents && oldest !== undefined) {
        this.#byIdentity.delete(oldest[0]);
        ignoreRejection(oldest[1].close());
      }
      this.#byIdentity.set(key, agent);
    }
    return agent;
  }

  async close(): Promise<void> {
    await Promise.all([this.#plain, ...this.#byIdentity.values()].map((agent) => agent.close()));
  }
}

function openAgent(options: ConnectOptions, server: ServerIdentity | undefined): Agent {
  const { tls, maxConnectionsPerEndpoint: connections, idleTimeoutMs, clock = systemClock } = options;
  const { onConnection } = options;
  const own = {
    limits: new IdleLimits(),
    idleMs: idleTimeoutMs ?? Infinity,
    maxAgeMs: options.maxConnectionAgeMs,
    clock,
    onConnection,
  };
  return new Agent({
    connections,
    pipelining: 1,
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: idleTimeoutMs ?? defaultIdleMs,
    keepAliveMaxTimeout: idleTimeoutMs ?? longestIdleMs,
    keepAliveTimeoutThreshold: idleMarginMs,
    connect: {
      timeout: connectTimeoutMs,
      ...clientTls(tls, server),
    },
    factory: (origin, poolOptions) =>
      new Pool(origin, {
        ...poolOptions,
        factory: (to, clientOptions) => new WatchedClient(new URL(to).origin, clientOptions, own),
      }),
  });
}
