import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type SecureClientSessionOptions,
} from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { Clock } from "../../../core/clock.ts";
import { TransportError } from "../../../core/errors.ts";
import type { TlsIdentity } from "../../../core/identity.ts";
import { connectFault, errorFromReset, h2, unavailable } from "./faults.ts";

/** Keeps a connection alive, and notices when it is dead, by HTTP/2 pings. */
export interface KeepaliveOptions {
  /** A ping goes out after so much silence, in milliseconds. Servers refuse clients that ping too often. */
  readonly intervalMs: number;
  /** A ping unanswered for so long closes the connection. @default 15_000 */
  readonly timeoutMs?: number;
  /** Ping also while no call is open. @default false */
  readonly whenIdle?: boolean;
}

/** How sessions are opened and looked after. */
export interface SessionOptions {
  readonly origin: string;
  readonly tls: TlsIdentity | undefined;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** A session unused for so long is verified by a ping before its next call. */
  readonly verifyAfterIdleMs: number;
  readonly pingTimeoutMs: number;
  readonly keepalive: KeepaliveOptions | undefined;
}

/** Bytes that the server may send ahead on one stream, before the reader takes them. */
const streamWindowBytes = 1024 * 1024;
/** The same for all streams of a session together. */
const sessionWindowBytes = 8 * 1024 * 1024;
/** Bun stops sending WINDOW_UPDATE for a session whose window was widened: it would stall for good. */
const widensSessionWindow = !("Bun" in globalThis);
/** Bun at times waits for streams that were cancelled, and then never ends a session that was closed. */
const mayNeverClose = "Bun" in globalThis;
/** Streams to count on until the server's settings say otherwise (RFC 9113 asks for at least 100). */
const assumedMaxStreams = 100;
/** Stream ids end at 2^31 - 1; a session close to that is replaced. */
const lastComfortableId = 2 ** 31 - 100_000;

function connectOptions(options: SessionOptions): SecureClientSessionOptions {
  return {
    // Megabytes that nghttp2 may hold for one session; beyond, it would refuse streams.
    maxSessionMemory: 256,
    settings: { enablePush: false, initialWindowSize: streamWindowBytes },
    ...(options.tls === undefined
      ? {}
      : { ca: options.tls.ca, cert: options.tls.cert, key: options.tls.key, minVersion: "TLSv1.2" as const }),
  };
}

/** One HTTP/2 connection of a pool. */
export class GrpcSession {
  readonly http2: ClientHttp2Session;
  readonly #options: SessionOptions;
  readonly #onChange: (session: GrpcSession) => void;
  /** Calls that are open now. */
  active = 0;
  /** Streams the server allows at once. */
  maxStreams: number = assumedMaxStreams;
  /** The ping under way, which new calls must wait for; undefined when there is none. */
  verifying: Promise<boolean> | undefined = undefined;
  #draining = false;
  #lastId = Number.POSITIVE_INFINITY;
  #aliveAt: number;
  #lost: unknown;
  #stopKeepalive: (() => void) | undefined;

  private constructor(
    http2: ClientHttp2Session,
    options: SessionOptions,
    onChange: (session: GrpcSession) => void,
  ) {
    this.http2 = http2;
    this.#options = options;
    this.#onChange = onChange;
    this.#aliveAt = options.clock.now();
  }

  /** Connects. @throws TransportError by its fault: `refused`, `dns`, `unreachable`, `tls`, `never-started` */
  static open(options: SessionOptions, onChange: (session: GrpcSession) => void): Promise<GrpcSession> {
    return new Promise((resolve, reject) => {
      let session: GrpcSession | undefined;
      let http2: ClientHttp2Session;
      try {
        http2 = connect(options.origin, connectOptions(options));
      } catch (error) {
        reject(connectFault(options.origin, error));
        return;
      }
      const created = new GrpcSession(http2, options, onChange);
      const stopTimer = options.clock.schedule(() => {
        fail(new Error(`no connection within ${options.connectTimeoutMs} ms`));
        http2.destroy();
      }, options.connectTimeoutMs);
      function fail(error: unknown): void {
        stopTimer();
        if (session === undefined) reject(connectFault(options.origin, error));
      }
      http2.once("connect", () => {
        stopTimer();
        if (http2.destroyed) return;
        session = created;
        created.#begin();
        resolve(created);
      });
      // Stays for good: an idle session's error must never be an unhandled one.
      http2.on("error", (error) => {
        created.#lost ??= error;
        fail(error);
      });
      http2.on("close", () => {
        fail(new Error("the connection was closed"));
        created.#end();
      });
      http2.on("goaway", (_code: number, lastId: number) => created.#goaway(lastId));
      http2.on("remoteSettings", (settings) => {
        created.maxStreams = settings.maxConcurrentStreams ?? assumedMaxStreams;
        onChange(created);
      });
    });
  }

  #begin(): void {
    if (widensSessionWindow) this.http2.setLocalWindowSize(sessionWindowBytes);
    if (this.active === 0) this.http2.unref();
    this.#aliveAt = this.#options.clock.now();
    this.#scheduleKeepalive();
  }

  #end(): void {
    this.#stopKeepalive?.();
    this.#stopKeepalive = undefined;
    this.#draining = true;
    this.#onChange(this);
  }

  #goaway(lastId: number): void {
    this.#draining = true;
    this.#lastId = Math.min(this.#lastId, lastId);
    this.#onChange(this);
  }

  /** Whether new calls may go here at all. */
  get usable(): boolean {
    return !this.#draining && !this.http2.closed && !this.http2.destroyed;
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
    if (this.active++ === 0) this.http2.ref();
  }

  /** Gives the place back. */
  release(streamId: number | undefined): void {
    if (streamId !== undefined && streamId > lastComfortableId) this.#draining = true;
    if (--this.active === 0 && !this.http2.destroyed) this.http2.unref();
    this.#onChange(this);
  }

  /** Says that bytes arrived. */
  heard(): void {
    this.#aliveAt = this.#options.clock.now();
  }

  /**
   * Says that a call was given up. After a long silence that may be the connection's fault (a half-open one
   * looks like a slow server), so it must prove to be alive before more calls go the same way.
   */
  givenUp(): void {
    const { clock, pingTimeoutMs } = this.#options;
    if (this.usable && clock.now() - this.#aliveAt >= pingTimeoutMs) void this.verify();
  }

  /** Proves that it is alive; those who ask at the same time share one ping. */
  verify(): Promise<boolean> {
    this.verifying ??= this.#ping(this.#options.pingTimeoutMs).finally(() => {
      this.verifying = undefined;
    });
    return this.verifying;
  }

  /** Sends a ping; false, and the session destroyed, when no answer comes in time. */
  #ping(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.http2.destroyed || this.http2.closed) {
        resolve(false);
        return;
      }
      const settle = (alive: boolean): void => {
        stopTimer();
        this.http2.off("close", onClose);
        if (this.active === 0 && !this.http2.destroyed) this.http2.unref();
        resolve(alive);
      };
      const onClose = (): void => settle(false);
      const stopTimer = this.#options.clock.schedule(() => {
        this.destroy(new TransportError("reset", `No answer to a ping from ${this.#options.origin}`));
        settle(false);
      }, timeoutMs);
      this.http2.once("close", onClose);
      this.http2.ref();
      try {
        this.http2.ping((error) => {
          if (error === null || error === undefined) this.heard();
          settle(error === null || error === undefined);
        });
      } catch {
        settle(false);
      }
    });
  }

  #scheduleKeepalive(): void {
    const keepalive = this.#options.keepalive;
    if (keepalive === undefined) return;
    const silence = this.#options.clock.now() - this.#aliveAt;
    const wanted = this.active > 0 || keepalive.whenIdle === true;
    const due = wanted && silence >= keepalive.intervalMs;
    const next = (): void => {
      if (this.http2.destroyed) return;
      const wait = due ? keepalive.intervalMs : Math.max(keepalive.intervalMs - silence, 1);
      const again = wanted ? wait : keepalive.intervalMs;
      this.#stopKeepalive = this.#options.clock.schedule(() => this.#scheduleKeepalive(), again);
    };
    if (due) void this.#ping(keepalive.timeoutMs ?? 15_000).then(next);
    else next();
  }

  /** Opens a stream. The place must have been reserved. */
  request(headers: Record<string, string> | readonly string[]): ClientHttp2Stream {
    return this.http2.request(headers as Record<string, string>, { endStream: false });
  }

  /** Why a stream ended before its status was there. */
  errorOf(stream: ClientHttp2Stream): ConnectError {
    const { origin } = this.#options;
    const id = stream.id;
    if (id === undefined)
      return unavailable(`the call to ${origin} was never sent`, "never-started", this.#lost);
    if (id > this.#lastId) {
      return unavailable(`${origin} is shutting down and did not take the call`, "never-started", this.#lost);
    }
    // The runtime ends the streams of a lost connection with codes of its own making.
    if (this.http2.destroyed && stream.rstCode !== h2.refusedStream) {
      return unavailable(`the connection to ${origin} was lost`, "reset", this.#lost);
    }
    return errorFromReset(stream.rstCode);
  }

  /** Lets open calls finish, then closes. */
  close(): void {
    this.#draining = true;
    if (this.http2.destroyed) return;
    if (!this.http2.closed) this.http2.close();
    if (mayNeverClose && this.active === 0) setImmediate(() => this.destroy());
  }

  /** Ends everything at once. */
  destroy(reason?: Error): void {
    this.#draining = true;
    this.#lost ??= reason;
    if (!this.http2.destroyed) this.http2.destroy(reason);
  }
}
