import type { Socket } from "node:net";
import { type Clock, systemClock } from "../core/clock.ts";
import type { ByteTransport, TransportListener } from "../http/byte-transport.ts";
import type { ConnectionHandler, ConnectionOptions } from "../http/http2/connection-options.ts";
import { Http2Connection } from "../http/http2/http2-connection.ts";

/** A connected socket, in the clear or TLS, as the engines see it. */
export class SocketTransport implements ByteTransport {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(pieces: readonly (Uint8Array | string)[]): boolean {
    const socket = this.#socket;
    // What is written to a closed socket waits for its close event: a source that never waits would hold that up.
    if (socket.destroyed) return false;
    try {
      if (pieces.length === 1) return socket.write(pieces[0]!);
      socket.cork();
      let more = true;
      for (const piece of pieces) more = socket.write(piece);
      socket.uncork();
      return more;
    } catch (error) {
      // Thrown by the runtime's socket in a turn that nobody awaits: the connection ends, not the process.
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
      return true;
    }
  }

  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  nextTurn(task: () => void): void {
    setImmediate(task);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroySoon();
  }

  reset(): void {
    const socket = this.#socket;
    // To a client of HTTP/1.0 an ordinary end would look like the end of the body. TLS has its own sign of an end.
    if (socket.destroyed || "encrypted" in socket) socket.destroy();
    else socket.resetAndDestroy();
  }

  keepAlive(value: boolean): void {
    if (value) this.#socket.ref();
    else this.#socket.unref();
  }
}

/** Tells a connection what happens to the socket that it runs on. */
export function listenOn(socket: Socket, connection: TransportListener): void {
  let failure: Error | undefined;
  socket.on("data", (chunk: Buffer) => {
    // A plain view: those made from a Buffer are Buffers too, and cost more.
    connection.receive(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
  });
  socket.on("drain", () => connection.drained());
  socket.on("error", (error) => {
    failure ??= error;
  });
  socket.on("end", () => connection.peerEnded());
  socket.on("close", () => connection.lost(failure));
}

/** Runs an HTTP/2 connection over a connected socket. */
export function connectionOver(
  socket: Socket,
  handler: ConnectionHandler,
  options: Omit<ConnectionOptions, "clock">,
  clock: Clock = systemClock,
): Http2Connection {
  const connection = new Http2Connection(new SocketTransport(socket), handler, { ...options, clock });
  listenOn(socket, connection);
  return connection;
}
