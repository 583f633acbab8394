import type { Socket } from "node:net";
import type { ByteTransport } from "../../http/http1/byte-transport.ts";
import { Http1Connection } from "../../http/http1/http1-connection.ts";
import { Http1Error } from "../../http/http1/http1-error.ts";
import type { Http1Limits } from "../../http/http1/http1-limits.ts";
import { clientGone } from "./exchange.ts";
import type { ListenerContext } from "./listener-context.ts";
import { limits } from "./listener-limits.ts";

const http1Limits: Http1Limits = {
  ...limits,
  firstByteMs: limits.handshakeTimeoutMs,
  keepAliveLines: `connection: keep-alive\r\nkeep-alive: timeout=${limits.keepAliveMs / 1000}\r\n`,
};

/** A socket as an HTTP/1.1 connection wants it. */
class SocketTransport implements ByteTransport {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(data: Uint8Array | string): boolean {
    // Who writes on for a socket that is gone waits for its close: a source that never waits would keep that from coming.
    return !this.#socket.destroyed && this.#socket.write(data);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  get waitingBytes(): number {
    return this.#socket.writableLength;
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
    this.#socket.destroy();
  }

  reset(): void {
    const socket = this.#socket;
    // To a client of HTTP/1.0 an ordinary end would look like the end of the body. TLS has its own word for an end.
    if (socket.destroyed || "encrypted" in socket) socket.destroy();
    else socket.resetAndDestroy();
  }
}

/**
 * Serves HTTP/1.1 on a connected socket.
 *
 * @param head - bytes of the connection that were read before
 */
export function serveHttp1(socket: Socket, context: ListenerContext, head?: Uint8Array): void {
  const { connections, onConnectionError, onHttp1 } = context;
  const record = connections.of(socket);
  const connection = new Http1Connection(
    new SocketTransport(socket),
    {
      onRequest(stream) {
        connections.begin(record);
        onHttp1?.(stream, record, () => connections.end(record));
      },
      onError: (error) => onConnectionError(error instanceof Http1Error ? "protocol" : "socket", error),
      gone: clientGone,
    },
    http1Limits,
    connections.time,
  );
  record.http1 = connection;
  let failure: Error | undefined;
  socket.on("data", (chunk: Buffer) => connection.receive(chunk));
  socket.on("drain", () => connection.drained());
  socket.on("error", (error) => {
    failure = error;
  });
  socket.on("end", () => connection.peerEnded());
  socket.on("close", () => {
    if (failure !== undefined) onConnectionError("socket", failure);
    connection.lost();
  });
  if (connections.draining) connection.drain();
  if (head !== undefined) connection.receive(head);
}
