import type { Server, Socket } from "node:net";
import { limits } from "../http2/limits.ts";
import { http1Server, http2Server, type ServerContext } from "../http2/servers.ts";

/** How the HTTP/2 connection preface begins; no HTTP/1.1 method does. */
const preface = Buffer.from("PRI");

/**
 * One cleartext port for HTTP/1.1 and HTTP/2: looks at the first bytes of a connection, puts them back
 * and hands the socket to the server they are meant for. On Node this costs nothing that can be measured.
 */
export function plainServer(context: ServerContext): Server {
  const http2 = http2Server(context);
  const server = http1Server(context);
  const asHttp1 = server.listeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");

  server.on("connection", (socket: Socket) => {
    context.connections.of(socket);
    // Until it is clear who serves it, the socket is nobody's: its silence ends it here, and its errors
    // (which close it) are of no interest.
    const give = (): void => {
      socket.destroy();
    };
    socket.setTimeout(limits.handshakeTimeoutMs, give);
    let head: Buffer = Buffer.alloc(0);
    const look = (chunk: Buffer): void => {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const length = Math.min(head.length, preface.length);
      const isHttp2 = head.compare(preface, 0, length, 0, length) === 0;
      if (isHttp2 && head.length < preface.length) return;
      socket.off("data", look);
      socket.off("timeout", give);
      socket.setTimeout(0);
      socket.pause();
      socket.unshift(head);
      if (isHttp2) {
        // It reads what was put back by itself; a flowing socket would lose it.
        http2.emit("connection", socket);
        return;
      }
      for (const listener of asHttp1) listener.call(server, socket);
      socket.resume();
    };
    socket.on("data", look);
  });
  return server;
}
