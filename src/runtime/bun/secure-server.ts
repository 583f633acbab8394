import type { Server } from "node:net";
import { createServer } from "node:tls";
import { serveHttp2 } from "../http2/http2-server.ts";
import type { ListenerContext } from "../http2/listener-context.ts";
import { http1Server, tlsOptions } from "../http2/servers.ts";
import type { ServerTls } from "../port.ts";

/** One TLS port for HTTP/1.1 and HTTP/2. Bun's own server for HTTPS shows nobody its sockets, so TLS comes first. */
export function secureServer(tls: ServerTls, context: ListenerContext): Server {
  const http1 = http1Server(context);
  const server = createServer(tlsOptions(tls, ["h2", "http/1.1"]), (socket) => {
    if (socket.alpnProtocol === "h2") serveHttp2(socket, context);
    else http1.emit("connection", socket);
  });
  server.on("tlsClientError", (error) => context.onConnectionError("tls", error));
  return server;
}
