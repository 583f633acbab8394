import type { Server, Socket } from "node:net";
import { serveHttp2 } from "../http2/http2-server.ts";
import type { ListenerContext } from "../http2/listener-context.ts";
import { http1Server } from "../http2/servers.ts";

/**
 * One cleartext port for HTTP/1.1 and HTTP/2. The HTTP/1.1 server owns the port, so that HTTP/1.1 runs at
 * the full speed of Deno's `node:http`; when its parser meets the preface of HTTP/2 it stops, and the
 * socket changes hands. (Looking at the first bytes before either server costs Deno five sixths of it.)
 */
export function plainServer(context: ListenerContext): Server {
  return http1Server(context, (socket, head) => {
    release(socket);
    serveHttp2(socket, context, head);
    socket.resume();
  });
}

/**
 * Makes the HTTP/1.1 server forget a socket: takes away its listeners and lets it believe that the socket
 * has closed. Otherwise its check for slow requests would close the connection later.
 */
function release(socket: Socket): void {
  const onClose = socket.listeners("close");
  for (const event of ["data", "end", "drain", "timeout", "error", "close"]) socket.removeAllListeners(event);
  for (const listener of onClose) listener.call(socket);
}
