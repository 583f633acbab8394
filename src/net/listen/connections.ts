import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import type { Connection } from "../../core/connection.ts";
import type { PeerIdentity } from "../../core/identity.ts";
import type { Http1Connection } from "../../http/http1/http1-connection.ts";
import type { Http1Time } from "../../http/http1/http1-time.ts";
import type { Http2Connection } from "../../http/http2/http2-connection.ts";
import { retirementFrom } from "../connection-age.ts";
import type { ListenOptions } from "../port.ts";
import { peerIdentityFromDer } from "../tls/peer-identity.ts";
import { limits } from "./listener-limits.ts";

function isTls(socket: Socket): socket is TLSSocket {
  return (socket as Partial<TLSSocket>).encrypted === true;
}

function peerOf(socket: Socket): PeerIdentity | undefined {
  // Only a certificate that was verified says who is there; a server may have let in any other.
  if (!isTls(socket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  const der = certificate?.raw;
  if (der === undefined) return undefined;
  try {
    return peerIdentityFromDer(der);
  } catch {
    return undefined;
  }
}

/** The address at the other end; one of IPv4 in its own form. Empty where the socket does not tell any more. */
export function remoteAddressOf(socket: Socket): string {
  return (socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, "");
}

/** What handlers may know of a connection; it can be printed and shows no sockets. */
class AcceptedConnection implements Connection {
  readonly remoteAddress: string;
  readonly encrypted: boolean;
  readonly httpVersion: "1.1" | "2";
  readonly #socket: Socket;
  #peer: PeerIdentity | null | undefined = null;

  constructor(socket: Socket, remoteAddress: string, httpVersion: "1.1" | "2") {
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.encrypted = isTls(socket);
    this.httpVersion = httpVersion;
  }

  get peer(): PeerIdentity | undefined {
    if (this.#peer === null) this.#peer = peerOf(this.#socket);
    return this.#peer;
  }
}

/** One accepted connection, as a listener must know it. */
export class ConnectionRecord {
  readonly socket: Socket;
  /** Read while the socket is open: a closed one does not tell. Behind a proxy that says so, its client's. */
  remoteAddress: string;
  readonly openedAt: number;
  /** From then on it takes no new requests. */
  readonly retiresAt: number;
  /** The HTTP/2 side of it, once there is one. */
  session: Http2Connection | undefined;
  /** The HTTP/1.1 side of it, once there is one. */
  http1: Http1Connection | undefined;
  /** Requests that are not finished. */
  active = 0;
  #info: AcceptedConnection | undefined;

  constructor(socket: Socket, openedAt: number, retiresAt: number) {
    this.socket = socket;
    this.remoteAddress = remoteAddressOf(socket);
    this.openedAt = openedAt;
    this.retiresAt = retiresAt;
  }

  /** What handlers are given; one object for the life of the connection. */
  get info(): Connection {
    const httpVersion = this.session === undefined ? "1.1" : "2";
    this.#info ??= new AcceptedConnection(this.socket, this.remoteAddress, httpVersion);
    return this.#info;
  }

  /** Ends it, and what is in flight with it. */
  destroy(): void {
    // With a code: an end without one looks to clients like an end in peace.
    this.session?.destroy();
    this.http1?.destroy();
    this.socket.destroy();
  }

  /** Lets what is in flight come to its end, and takes no more. */
  drain(): void {
    if (this.session !== undefined) this.session.close();
    else this.http1?.drain();
  }
}

/** Tells that requests can go over a connection, and when it is gone. */
export function tellOfConnection(
  record: ConnectionRecord,
  { onConnection }: Pick<ListenOptions, "onConnection">,
): void {
  if (onConnection === undefined) return;
  const { remoteAddress: remote, socket, info } = record;
  const { encrypted, httpVersion } = info;
  onConnection({ type: "connection-opened", side: "server", remote, encrypted, httpVersion });
  socket.once("close", () => onConnection({ type: "connection-closed", side: "server", remote }));
}

/** How long connections without a request may take to send what was written and to close. */
const flushMs = 1_000;
/** How often connections are looked at that may take too long. */
const checkMs = 1_000;

const slot = Symbol("connection");
type Slotted = { [slot]?: ConnectionRecord };

/** The open connections of a listener and the requests on them. */
export class Connections {
  inFlight = 0;
  draining = false;
  /** The clock of what is limited by the second; looked at once for all of them. */
  readonly time: Http1Time & { now: number };
  readonly #clock: Clock;
  readonly #maxAgeMs: number;
  readonly #maxAgeGraceMs: number;
  readonly #open = new Set<ConnectionRecord>();
  #whenIdle: (() => void)[] = [];
  #idleEnded = false;
  #cancelGrace: (() => void) | undefined;
  #cancelCheck: (() => void) | undefined;

  /**
   * @param maxAgeMs - how long a connection takes new requests; Infinity for no limit
   * @param maxAgeGraceMs - how long what is open then may take
   */
  constructor(clock: Clock, maxAgeMs: number, maxAgeGraceMs: number) {
    this.#clock = clock;
    this.#maxAgeMs = maxAgeMs;
    this.#maxAgeGraceMs = maxAgeGraceMs;
    this.time = { now: clock.now(), wallClock: Date.now };
  }

  /** The record of a socket; made and kept until the socket closes when it is seen for the first time. */
  of(socket: Socket): ConnectionRecord {
    const known = (socket as Slotted)[slot];
    if (known !== undefined) return known;
    this.time.now = this.#clock.now();
    const { now } = this.time;
    const connection = new ConnectionRecord(socket, now, retirementFrom(now, this.#maxAgeMs));
    (socket as Slotted)[slot] = connection;
    this.#open.add(connection);
    socket.once("close", () => {
      this.#open.delete(connection);
      if (this.#open.size === 0) this.#stopChecks();
      this.#settle();
    });
    this.#cancelCheck ??= this.#clock.schedule(() => this.#check(), checkMs);
    return connection;
  }

  /** A socket that goes on as another one. */
  forget(socket: Socket): void {
    const connection = (socket as Slotted)[slot];
    if (connection !== undefined) this.#open.delete(connection);
  }

  begin(connection: ConnectionRecord): void {
    connection.active++;
    this.inFlight++;
  }

  end(connection: ConnectionRecord): void {
    connection.active--;
    this.inFlight--;
    if (this.draining) this.#settle();
  }

  /**
   * Tells connections to come to an end, and resolves when nothing is open any more. One of HTTP/1.1 cannot be told: it is
   * served until its client has left, or for a second when it is idle, because a request may be on its way.
   */
  drain(): Promise<void> {
    if (!this.draining) {
      this.draining = true;
      for (const connection of [...this.#open]) connection.drain();
      this.#clock.schedule(() => this.#endIdle(), limits.drainIdleMs);
    }
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
      this.#settle();
    });
  }

  destroy(): void {
    this.draining = true;
    this.#stopChecks();
    for (const connection of [...this.#open]) connection.destroy();
  }

  #endIdle(): void {
    for (const { session, http1, socket } of [...this.#open]) {
      if (http1 !== undefined) http1.endIfIdle();
      else if (session === undefined) socket.destroy();
    }
    this.#idleEnded = true;
    this.#settle();
  }

  #check(): void {
    this.#cancelCheck = undefined;
    if (this.#open.size === 0) return;
    const now = this.#clock.now();
    this.time.now = now;
    for (const connection of [...this.#open]) {
      const { http1, session, socket, openedAt, retiresAt } = connection;
      http1?.check(now);
      const silent = http1 === undefined && session === undefined;
      if (silent && now - openedAt >= limits.handshakeTimeoutMs) socket.destroy();
      if (now >= retiresAt) this.#retire(connection, now - retiresAt >= this.#maxAgeGraceMs);
    }
    this.#cancelCheck = this.#clock.schedule(() => this.#check(), checkMs);
  }

  #stopChecks(): void {
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
  }

  /** Ends a connection that is old enough, as a drain would, or at once. */
  #retire(connection: ConnectionRecord, atOnce: boolean): void {
    if (atOnce) connection.destroy();
    else {
      connection.drain();
      connection.http1?.endIfIdle();
    }
  }

  /** The last request is over when its response has gone out, which the end of the connection tells. */
  #settle(): void {
    if (!this.draining || this.inFlight > 0) return;
    if (this.#open.size === 0) this.#resolve();
    else if (this.#idleEnded) this.#cancelGrace ??= this.#clock.schedule(() => this.#expire(), flushMs);
  }

  #expire(): void {
    this.#cancelGrace = undefined;
    if (this.inFlight === 0) this.#resolve();
  }

  #resolve(): void {
    this.#cancelGrace?.();
    this.#cancelGrace = undefined;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}
