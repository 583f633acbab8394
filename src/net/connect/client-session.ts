import type { Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { TransportError } from "../../core/errors.ts";
import type { ConnectionHandler } from "../../http/http2/connection-options.ts";
import { h2 } from "../../http/http2/frame/frame-types.ts";
import type { Http2Connection } from "../../http/http2/http2-connection.ts";
import type { Fields, Http2Stream, StreamHandler } from "../../http/http2/streams/stream.ts";
import type { RpcConnection } from "../../rpc/client/rpc-connection.ts";
import { errorFromReset, protocolFault, unavailable } from "../../rpc/dialect/transport-faults.ts";
import { retirementFrom } from "../connection-age.ts";
import { connectionOver } from "../socket-transport.ts";
import { tellClosed, tellFailed, tellOpened } from "./connection-events.ts";
import { dial, notHttp2 } from "./dial.ts";
import { faultOfLoss, hintOfLoss } from "./lost-connection.ts";
import { SessionDoubt } from "./session-doubt.ts";
import { connectionOptions, type SessionOptions } from "./session-options.ts";

/** Streams to count on until the server's settings say otherwise (RFC 9113 asks for at least 100). */
const assumedMaxStreams = 100;
/** More streams than this never go over one connection. */
const maxUsefulStreams = 10_000;
/** Stream ids end at 2^31 - 1; a session close to that is replaced. */
const lastComfortableId = 2 ** 31 - 100_000;

/** One HTTP/2 connection of a pool. */
export class ClientSession implements ConnectionHandler, RpcConnection {
  readonly #options: SessionOptions;
  readonly #onChange: (session: ClientSession) => void;
  #connection!: Http2Connection;
  /** Calls that are open now, or about to be. */
  active = 0;
  /** Streams the server allows at once. */
  maxStreams: number = assumedMaxStreams;
  /** The ping under way, which new calls must wait for; undefined when there is none. */
  verifying: Promise<boolean> | undefined = undefined;
  /** From then on it is given no new calls. */
  readonly retiresAt: number;
  readonly #doubt: SessionDoubt;
  /** The first stream id after the last time that anything was heard. */
  #unheardFrom = 1;
  /** Whether anything was ever heard. */
  #heardOf = false;
  #draining = false;
  #aliveAt: number;
  #lost: unknown;
  /** Known before the end of the connection. */
  #socketError: Error | undefined;
  #stopKeepalive: (() => void) | undefined;
  #whenClosed: (() => void)[] = [];

  private constructor(options: SessionOptions, onChange: (session: ClientSession) => void) {
    this.#options = options;
    this.#onChange = onChange;
    this.#doubt = new SessionDoubt(options.clock, options.pingTimeoutMs);
    this.#aliveAt = options.clock.now();
    this.retiresAt = retirementFrom(this.#aliveAt, options.maxConnectionAgeMs);
  }

  /** Connects. @throws TransportError by its fault: `refused`, `dns`, `unreachable`, `tls`, `never-started` */
  static open(options: SessionOptions, onChange: (session: ClientSession) => void): Promise<ClientSession> {
    return new Promise((resolve, reject) => {
      let settled = false;
      const begin = (socket: Socket): void => {
        settled = true;
        const session = new ClientSession(options, onChange);
        session.#begin(socket);
        tellOpened(options.onConnection, options.origin, "2");
        resolve(session);
      };
      dial(options, begin, (error) => {
        // Its later errors are the session's to tell.
        if (settled) return;
        settled = true;
        tellFailed(options.onConnection, options.origin, error);
        reject(error);
      });
    });
  }

  #begin(socket: Socket): void {
    socket.once("data", (chunk: Uint8Array) => {
      const fault = notHttp2(this.#options.origin, chunk);
      if (fault !== undefined) this.destroy(fault);
    });
    socket.on("data", () => this.#heard());
    socket.on("error", (error) => {
      this.#socketError ??= error;
    });
    this.#connection = connectionOver(socket, this, connectionOptions, this.#options.clock);
    if (this.active === 0) this.#connection.keepAlive(false);
    this.#aliveAt = this.#options.clock.now();
    this.#scheduleKeepalive();
  }

  /** Servers open no streams. */
  onStream(): void {}

  /** Calls give their places back themselves. */
  onStreamClose(): void {}

  onSettings(): void {
    this.maxStreams = Math.min(this.#connection.peer.maxStreams, maxUsefulStreams);
    this.#onChange(this);
  }

  onGoaway(): void {
    this.retire();
  }

  onError(): void {
    // The call whose handler threw learns it from its stream: see errorOf.
  }

  onClose(error: Error | undefined): void {
    this.#lost ??= error;
    tellClosed(this.#options.onConnection, this.#options.origin, this.#lost);
    this.#stopKeepalive?.();
    this.#stopKeepalive = undefined;
    this.#draining = true;
    this.#onChange(this);
    for (const listener of this.#whenClosed.splice(0)) listener();
  }

  /** Whether the connection is gone. */
  get over(): boolean {
    return this.#connection.over;
  }

  /** Whether new calls may go here at all. */
  get usable(): boolean {
    return !this.#draining && this.#connection.usable;
  }

  /** Whether one more stream fits. */
  get hasRoom(): boolean {
    return this.active < this.maxStreams;
  }

  /** Whether it has been idle for so long that it should prove to be alive first. */
  get doubtful(): boolean {
    return this.active === 0 && this.#options.clock.now() - this.#aliveAt > this.#options.verifyAfterIdleMs;
  }

  /** Takes a place for one call; every `reserve` needs one `release`. */
  reserve(): void {
    if (this.active++ === 0) this.#connection.keepAlive(true);
  }

  /** Gives the place back. */
  release(): void {
    if (this.#connection.nextId > lastComfortableId) this.#draining = true;
    if (--this.active === 0) this.#connection.keepAlive(false);
    this.#onChange(this);
  }

  #heard(): void {
    this.#heardOf = true;
    this.#aliveAt = this.#options.clock.now();
    this.#unheardFrom = this.#connection.nextId;
  }

  /** Whether it takes no new calls until a ping is acknowledged. */
  get inDoubt(): boolean {
    return this.#doubt.active;
  }

  /** Whether it is in doubt for so short a time that calls rather wait than open another connection. */
  get hopeful(): boolean {
    return this.#doubt.hopeful;
  }

  /**
   * Says that a call was given up. When nothing was heard meanwhile, that may be the connection's fault: one on which
   * packets no longer pass looks like a slow server. It then takes no new calls until a ping is acknowledged.
   */
  givenUp(stream: Http2Stream | undefined, error: ConnectError): void {
    if (this.inDoubt || !this.usable) return;
    const unheard =
      error.code === Code.DeadlineExceeded && stream !== undefined && stream.id >= this.#unheardFrom;
    if (!this.#doubt.arises(unheard, this.#options.clock.now() - this.#aliveAt)) return;
    this.#doubt.begin(this.verify(), () => this.#onChange(this));
  }

  /** Proves that it is alive; those who ask at the same time share one ping. */
  verify(): Promise<boolean> {
    this.verifying ??= this.#ping(this.#options.pingTimeoutMs).finally(() => {
      this.verifying = undefined;
    });
    return this.verifying;
  }

  /** Sends a ping; false, and the session destroyed, when it is not acknowledged in time. */
  #ping(timeoutMs: number): Promise<boolean> {
    const connection = this.#connection;
    if (connection.over) return Promise.resolve(false);
    return new Promise((resolve) => {
      const stopTimer = this.#options.clock.schedule(() => {
        this.destroy(new TransportError("reset", `No reply to a ping from ${this.#options.origin}`));
      }, timeoutMs);
      connection.keepAlive(true);
      connection.ping((alive) => {
        stopTimer();
        if (this.active === 0) connection.keepAlive(false);
        resolve(alive);
      });
    });
  }

  #scheduleKeepalive(): void {
    const keepalive = this.#options.keepalive;
    if (keepalive === undefined) return;
    const silence = this.#options.clock.now() - this.#aliveAt;
    const wanted = this.active > 0 || keepalive.whenIdle === true;
    const due = wanted && silence >= keepalive.intervalMs;
    const next = (): void => {
      if (this.over) return;
      const wait = due || !wanted ? keepalive.intervalMs : Math.max(keepalive.intervalMs - silence, 1);
      this.#stopKeepalive = this.#options.clock.schedule(() => this.#scheduleKeepalive(), wait);
    };
    // Resolves whatever happens; a session that does not respond destroys itself.
    if (due) void this.#ping(keepalive.timeoutMs ?? 15_000).then(next);
    else next();
  }

  /**
   * Opens a stream. The place must have been reserved.
   *
   * @throws ConnectError `unavailable` when the session ended meanwhile, so that the call never started
   */
  request(fields: Fields, handler: StreamHandler): Http2Stream {
    if (!this.usable) {
      throw unavailable(`the connection to ${this.#options.origin} is closing`, "never-started", this.#lost);
    }
    return this.#connection.request(fields, handler);
  }

  /** Why a stream ended before its status was there. */
  errorOf(stream: Http2Stream): ConnectError {
    const { origin } = this.#options;
    switch (stream.closeReason) {
      case "refused": {
        const message = `${origin} is shutting down and did not take the call`;
        return unavailable(message, stream.neverStarted ? "never-started" : "reset", this.#lost);
      }
      case "lost": {
        const error = this.#lost ?? this.#socketError;
        const fault = faultOfLoss(this.#options, error, this.#heardOf);
        if (fault !== undefined) return unavailable(fault.message, fault.fault, fault);
        return unavailable(
          `the connection to ${origin} was lost${hintOfLoss(origin, this.#heardOf)}`,
          "reset",
          this.#lost,
        );
      }
      case "own-reset":
        if (stream.failure !== undefined) return ConnectError.from(stream.failure, Code.Internal);
        return protocolFault(stream.rstCode);
      default:
        return errorFromReset(stream.rstCode, stream.neverStarted);
    }
  }

  /** Calls the listener when the connection has ended. */
  whenClosed(listener: () => void): void {
    if (this.over) listener();
    else this.#whenClosed.push(listener);
  }

  /** Takes no new calls, as after a GOAWAY. */
  retire(): void {
    this.#draining = true;
    this.#onChange(this);
  }

  /** Lets open calls finish, then closes. */
  close(): void {
    this.#draining = true;
    this.#connection.close();
  }

  /** Ends everything at once. */
  destroy(reason?: Error): void {
    this.#draining = true;
    this.#lost ??= reason;
    this.#connection.destroy(h2.cancel, reason);
  }
}
