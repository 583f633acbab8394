import { MeshError } from "../../core/errors.ts";
import { ConnectionQueue, PendingConnection } from "../../rpc/client/connection-queue.ts";
import type { RpcConnection, RpcConnectionPool } from "../../rpc/client/rpc-connection.ts";
import type { ConnectOptions } from "../port.ts";
import { ClientSession } from "./client-session.ts";
import type { SessionOptions } from "./session-options.ts";

/** What a {@link SessionPool} is made of. */
export interface PoolOptions extends SessionOptions {
  /** Sessions to one endpoint at most; more than one are opened only when streams run out. */
  readonly maxSessions: number;
}

/** What is right for most pools. */
export const poolDefaults = {
  connectTimeoutMs: 10_000,
  verifyAfterIdleMs: 30_000,
  pingTimeoutMs: 5_000,
  maxSessions: 8,
} as const;

/** How many sessions a pool opens: streams share them, so a few do. */
export function maxSessionsOf({
  maxConnectionsPerEndpoint,
}: Pick<ConnectOptions, "maxConnectionsPerEndpoint">): number {
  return Math.min(poolDefaults.maxSessions, maxConnectionsPerEndpoint);
}

/** The state of a pool, for metrics. */
export interface PoolState {
  /** Those that take new calls: one that got a GOAWAY is none of them. */
  readonly sessions: number;
  readonly connecting: boolean;
  /** Calls that are open, also on sessions that take no new ones. */
  readonly streams: number;
  /** Calls that wait for a place; one that gave up waits no more. */
  readonly waiting: number;
}

/**
 * The HTTP/2 sessions to one endpoint.
 *
 * Calls share the first session that has room; another one is opened when none has, and a call waits
 * when no more may be opened. A session that got a GOAWAY takes no new calls and closes with its last one; one that is
 * in doubt takes none until it has proved to be alive.
 */
export class SessionPool implements RpcConnectionPool {
  readonly #options: PoolOptions;
  #sessions: ClientSession[] = [];
  readonly #waiters = new ConnectionQueue<RpcConnection>();
  /** When the first session gets too old; `Infinity` where none does. */
  #retiresAt = Infinity;
  #connecting = false;
  #closed = false;
  readonly #onSessionChange: (session: ClientSession) => void = (session) => this.#changed(session);

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** A look at the pool. */
  get state(): PoolState {
    let sessions = 0;
    let streams = 0;
    for (const session of this.#sessions) {
      if (session.usable) sessions++;
      streams += session.active;
    }
    return { sessions, connecting: this.#connecting, streams, waiting: this.#waiters.length };
  }

  /**
   * A session with a place reserved; at once when there is one, as there nearly always is. Who has to wait for
   * one drops out when the call ends before.
   *
   * What is waited for fails with a `TransportError` when no connection can be made, and with the `MeshError`
   * `ERR_SHUTTING_DOWN` after {@link close}.
   */
  take(): RpcConnection | PendingConnection<RpcConnection> {
    if (this.#retiresAt < Infinity) this.#retire();
    if (this.#waiters.length === 0) {
      const session = this.#pick();
      if (session !== undefined) {
        if (session.verifying !== undefined || session.doubtful) {
          const pending = new PendingConnection<RpcConnection>();
          // Never rejects: the reply to a ping comes, or the session is destroyed.
          void this.#verify(session, pending);
          return pending;
        }
        session.reserve();
        return session;
      }
    }
    return this.#wait(new PendingConnection<RpcConnection>());
  }

  /** Lets go of sessions that are too old: no timer, which would keep the process alive. */
  #retire(): void {
    const now = this.#options.clock.now();
    if (now < this.#retiresAt) return;
    const sessions = [...this.#sessions];
    this.#retiresAt = Infinity;
    for (const session of sessions) {
      if (now >= session.retiresAt) session.retire();
      else this.#retiresAt = Math.min(this.#retiresAt, session.retiresAt);
    }
  }

  #pick(): ClientSession | undefined {
    for (const session of this.#sessions) {
      if (session.hasRoom && session.usable && !session.inDoubt) return session;
    }
    return undefined;
  }

  async #verify(session: ClientSession, pending: PendingConnection<RpcConnection>): Promise<void> {
    // Reserved during the ping, so that calls which come meanwhile do not each ping too.
    session.reserve();
    const alive = await session.verify();
    if (alive && !pending.dropped) {
      pending.resolve(session);
      return;
    }
    session.release();
    if (!pending.dropped) this.#wait(pending);
  }

  #wait(pending: PendingConnection<RpcConnection>): PendingConnection<RpcConnection> {
    if (this.#closed) {
      pending.reject(this.#closedError());
    } else {
      this.#waiters.push(pending);
      this.#serve();
    }
    return pending;
  }

  #closedError(): MeshError {
    return new MeshError("ERR_SHUTTING_DOWN", `The client of ${this.#options.origin} is closed`);
  }

  /** Gives free places to those who wait, and connects when there are too few. */
  #serve(): void {
    while (this.#waiters.length > 0) {
      const session = this.#pick();
      if (session === undefined) break;
      session.reserve();
      this.#waiters.shift()?.resolve(session);
    }
    if (this.#waiters.length === 0 || this.#connecting || this.#closed) return;
    if (this.#sessions.some((session) => session.hopeful)) return;
    const usable = this.#sessions.filter((session) => session.usable && !session.inDoubt).length;
    if (usable < this.#options.maxSessions) this.#connect();
  }

  #connect(): void {
    this.#connecting = true;
    ClientSession.open(this.#options, this.#onSessionChange).then(
      (session) => {
        this.#connecting = false;
        if (this.#closed) session.close();
        else {
          this.#sessions.push(session);
          this.#retiresAt = Math.min(this.#retiresAt, session.retiresAt);
        }
        this.#serve();
      },
      (error: unknown) => {
        this.#connecting = false;
        // Those who wait may still be served by a session that is there and full.
        if (this.#sessions.some((session) => session.usable && !session.inDoubt)) return;
        this.#waiters.rejectAll(error);
      },
    );
  }

  #changed(session: ClientSession): void {
    if (session.over || (!session.usable && session.active === 0)) {
      const index = this.#sessions.indexOf(session);
      if (index !== -1) this.#sessions.splice(index, 1);
      if (session.active === 0) session.close();
    }
    if (this.#waiters.length > 0) this.#serve();
  }

  /** Takes no new calls; resolves when the open ones have finished, or were ended after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#waiters.rejectAll(this.#closedError());
    const sessions = this.#sessions;
    this.#sessions = [];
    await Promise.all(sessions.map((session) => this.#closeSession(session, graceMs)));
  }

  #closeSession(session: ClientSession, graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const stopTimer = this.#options.clock.schedule(() => session.destroy(), graceMs);
      session.whenClosed(() => {
        stopTimer();
        resolve();
      });
      session.close();
    });
  }
}
