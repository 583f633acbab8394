import { createServer, type Server, type Socket } from "node:net";
import { serveHttp2 } from "../http2/http2-server.ts";
import type { ListenerContext } from "../http2/listener-context.ts";
import { http1Server } from "../http2/servers.ts";
import { tellApart } from "../http2/tell-apart.ts";
import { canTunnel, toPlainSocket } from "./tunnel.ts";

/**
 * One cleartext port for HTTP/1.1 and HTTP/2. Bun's native HTTP/1.1 server owns the port; when its parser
 * meets the preface of HTTP/2 the connection becomes a plain socket and changes hands. A Bun that does not
 * let it go gets a server that looks at the first bytes, at about a third of the speed.
 */
export async function plainServer(context: ListenerContext): Promise<Server> {
  return (await canTunnel()) ? handingOver(context) : peeking(context);
}

function handingOver(context: ListenerContext): Server {
  return http1Server(context, (socket, head) => {
    if (toPlainSocket(socket)) serveHttp2(socket, context, head);
    else socket.destroy();
  });
}

/** For versions of Bun whose HTTP server keeps its sockets. */
export function peeking(context: ListenerContext): Server {
  const http1 = http1Server(context);
  return createServer({ noDelay: true }, (socket: Socket) =>
    tellApart(socket, context, (_, head) => {
      http1.emit("connection", socket);
      socket.emit("data", head);
    }),
  );
}
