import type { Server, Socket } from "node:net";
import type { ListenerContext } from "../http2/listener-context.ts";
import { http1Server } from "../http2/servers.ts";
import { tellApart } from "../http2/tell-apart.ts";

/**
 * One cleartext port for HTTP/1.1 and HTTP/2: looks at the first bytes of a connection, and hands the socket to
 * the HTTP/1.1 server with those bytes put back. On Node this costs nothing that can be measured.
 */
export function plainServer(context: ListenerContext): Server {
  const server = http1Server(context);
  const asHttp1 = server.listeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) =>
    tellApart(socket, context, (_, head) => {
      socket.pause();
      socket.unshift(head);
      for (const listener of asHttp1) listener.call(server, socket);
      socket.resume();
    }),
  );
  return server;
}
