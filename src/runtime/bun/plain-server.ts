import { createServer, type Server, type Socket } from "node:net";
import { limits } from "../http2/limits.ts";
import { http1Server, http2Server, type ServerContext } from "../http2/servers.ts";
import { canTunnel, toPlainSocket } from "./tunnel.ts";

/**
 * One cleartext port for HTTP/1.1 and HTTP/2. Bun's native HTTP/1.1 server owns the port; when its parser
 * meets the preface of HTTP/2 the connection becomes a plain socket and changes hands. A Bun that does not
 * let it go gets a server that looks at the first bytes, at about a third of the speed.
 */
export async function plainServer(context: ServerContext): Promise<Server> {
  return (await canTunnel()) ? handingOver(context) : peeking(context);
}

function handingOver(context: ServerContext): Server {
  const http2 = http2Server(context);
  return http1Server(context, (socket, head) => {
    if (!toPlainSocket(socket)) {
      socket.destroy();
      return;
    }
    socket.on("error", () => {});
    socket.unshift(head);
    context.connections.of(socket);
    http2.emit("connection", socket);
  });
}

/** How the HTTP/2 connection preface begins; no HTTP/1.1 method does. */
const preface = Buffer.from("PRI");

/** For versions of Bun whose HTTP server keeps its sockets. */
export function peeking(context: ServerContext): Server {
  const http1 = http1Server(context);
  const http2 = http2Server(context);
  const server = createServer({ noDelay: true }, (socket: Socket) => {
    context.connections.of(socket);
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
      (isHttp2 ? http2 : http1).emit("connection", socket);
      // Not put back: the HTTP/2 session reads the socket beneath its buffer.
      socket.emit("data", head);
    };
    socket.on("data", look);
  });
  return server;
}
