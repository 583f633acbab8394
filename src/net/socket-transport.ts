import type { Socket } from "node:net";
import type { Wire } from "../http/http2/codec/frame-writer.ts";
import type { ConnectionHandler, ConnectionOptions } from "../http/http2/connection-options.ts";
import { Http2Connection } from "../http/http2/http2-connection.ts";

/** What was written has so long to go out when the connection ends; a peer that does not read loses it. */
const closeGraceMs = 2_000;

class SocketTransport implements Wire {
  readonly #socket: Socket;
  #ending: ReturnType<typeof setTimeout> | undefined = undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(pieces: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    // Its close ends everything; who writes on until then waits.
    if (socket.destroyed) return false;
    try {
      if (pieces.length === 1) return socket.write(pieces[0]!);
      socket.cork();
      let more = true;
      for (const piece of pieces) more = socket.write(piece);
      socket.uncork();
      return more;
    } catch (error) {
      // Said by the runtime's socket from within a turn that nobody waits for: the connection ends, not the process.
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
      return true;
    }
  }

  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  end(): void {
    this.#socket.end();
    this.#destroyLater();
    // A peer that keeps its half open gets no ear: what it says is read and dropped, so that its end is seen.
    this.#socket.resume();
  }

  destroy(): void {
    // What was written, the GOAWAY last of all, should still go out.
    this.#socket.destroySoon();
    this.#destroyLater();
  }

  /** Neither a peer that does not read, nor one that keeps its half open, keeps the socket. */
  #destroyLater(): void {
    const socket = this.#socket;
    if (this.#ending !== undefined || socket.destroyed) return;
    this.#ending = setTimeout(() => socket.destroy(), closeGraceMs);
    socket.once("close", () => clearTimeout(this.#ending));
  }

  keepAlive(value: boolean): void {
    if (value) this.#socket.ref();
    else this.#socket.unref();
  }
}

/**
 * Runs an HTTP/2 connection over a connected socket, in the clear or TLS.
 *
 * @param head - bytes that were read from the socket before
 */
export function connectionOver(
  socket: Socket,
  handler: ConnectionHandler,
  options: ConnectionOptions,
  head?: Uint8Array,
): Http2Connection {
  const wire = new SocketTransport(socket);
  const connection = new Http2Connection(wire, handler, options);
  let failure: Error | undefined;
  socket.on("data", (chunk: Buffer) => {
    // A plain view: those made from a Buffer are Buffers too, and cost more.
    connection.receive(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
  });
  socket.on("drain", () => connection.drained());
  socket.on("error", (error) => {
    failure ??= error;
  });
  socket.on("end", () => {
    // A connection is over when its peer says so, even if the socket could still send.
    connection.lost(failure);
    wire.end();
  });
  socket.on("close", () => connection.lost(failure));
  if (head !== undefined && head.length > 0) connection.receive(head);
  return connection;
}
