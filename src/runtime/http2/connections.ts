import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Connection } from "../../core/connection.ts";
import type { PeerIdentity } from "../../core/identity.ts";
import { peerIdentityFromDer } from "./peer-identity.ts";
import type { Http2Connection } from "./wire/connection.ts";

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

/** What handlers may know of a connection; it can be printed and shows no sockets. */
class AcceptedConnection implements Connection {
  readonly remoteAddress: string;
  readonly encrypted: boolean;
  readonly httpVersion: "1.1" | "2";
  readonly #socket: Socket;
  #peer: PeerIdentity | null | undefined = null;

  constructor(socket: Socket, httpVersion: "1.1" | "2") {
    this.#socket = socket;
    this.remoteAddress = (socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, "");
    this.encrypted = isTls(socket);
    this.httpVersion = httpVersion;
  }

  get peer(): PeerIdentity | undefined {
    if (this.#peer === null) this.#peer = peerOf(this.#socket);
    return this.#peer;
  }
}

/** One accepted connection, as a drain must know it. */
export class ConnectionRecord {
  readonly socket: Socket;
  /** The HTTP/2 side of it, once there is one. */
  session: Http2Connection | undefined;
  /** Requests that are not finished; an HTTP/1.1 connection without one can be closed. */
  active = 0;
  #face: AcceptedConnection | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** What handlers are given; one object for the life of the connection. */
  get face(): Connection {
    this.#face ??= new AcceptedConnection(this.socket, this.session === undefined ? "1.1" : "2");
    return this.#face;
  }
}

/** How long connections without a request may take to send what was written and to close. */
const flushMs = 1_000;

const slot = Symbol("connection");
type Slotted = { [slot]?: ConnectionRecord };

/** The open connections of a listener and the requests on them. */
export class Connections {
  inFlight = 0;
  draining = false;
  readonly #open = new Set<ConnectionRecord>();
  #whenIdle: (() => void)[] = [];
  #grace: ReturnType<typeof setTimeout> | undefined;

  /** The record of a socket; made and kept until the socket closes when it is seen for the first time. */
  of(socket: Socket): ConnectionRecord {
    const known = (socket as Slotted)[slot];
    if (known !== undefined) return known;
    const connection = new ConnectionRecord(socket);
    (socket as Slotted)[slot] = connection;
    this.#open.add(connection);
    socket.once("close", () => {
      this.#open.delete(connection);
      // A socket that changes hands is told to be closed, and comes back as a new one.
      delete (socket as Slotted)[slot];
      this.#settle();
    });
    return connection;
  }

  begin(connection: ConnectionRecord): void {
    connection.active++;
    this.inFlight++;
  }

  end(connection: ConnectionRecord): void {
    connection.active--;
    this.inFlight--;
    if (this.draining) {
      this.#closeIfIdle(connection);
      this.#settle();
    }
  }

  /** Closes what is idle, tells the rest to come to an end, and resolves when nothing is open any more. */
  drain(): Promise<void> {
    this.draining = true;
    for (const connection of [...this.#open]) {
      if (connection.session !== undefined) connection.session.close();
      else this.#closeIfIdle(connection);
    }
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
      this.#settle();
    });
  }

  destroy(): void {
    this.draining = true;
    for (const { session, socket } of [...this.#open]) {
      // With a code: an end without one looks to clients like an end in peace.
      session?.destroy();
      socket.destroy();
    }
  }

  #closeIfIdle(connection: ConnectionRecord): void {
    // `destroySoon` lets what is written go out first.
    if (connection.session === undefined && connection.active === 0) connection.socket.destroySoon();
  }

  /** The last request is over when its answer has gone out, which the end of the connection tells. */
  #settle(): void {
    if (!this.draining || this.inFlight > 0) return;
    if (this.#open.size === 0) this.#resolve();
    else this.#grace ??= setTimeout(() => this.#expire(), flushMs);
  }

  #expire(): void {
    this.#grace = undefined;
    if (this.inFlight === 0) this.#resolve();
  }

  #resolve(): void {
    clearTimeout(this.#grace);
    this.#grace = undefined;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}
