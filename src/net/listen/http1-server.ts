import type { Socket } from "node:net";
import { Http1Connection } from "../../http/http1/http1-connection.ts";
import { Http1Error } from "../../http/http1/http1-error.ts";
import type { Http1Limits } from "../../http/http1/http1-limits.ts";
import { listenOn, SocketTransport } from "../socket-transport.ts";
import { tellOfConnection } from "./connections.ts";
import type { ListenerContext } from "./listener-context.ts";
import { limits } from "./listener-limits.ts";

/** What the HTTP/1.1 connections of a listener are granted. */
export function http1LimitsFrom(idleTimeoutMs: number = limits.keepAliveMs): Http1Limits {
  return {
    ...limits,
    firstByteMs: limits.handshakeTimeoutMs,
    keepAliveMs: idleTimeoutMs,
    keepAliveLines: `connection: keep-alive\r\nkeep-alive: timeout=${Math.floor(idleTimeoutMs / 1000)}\r\n`,
  };
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
      get connection() {
        return record.info;
      },
      onRequest(exchange) {
        connections.begin(record);
        onHttp1?.(exchange, record);
      },
      onClose: () => connections.end(record),
      onError: (error) =>
        onConnectionError(error instanceof Http1Error ? "protocol" : "socket", error, record.remoteAddress),
    },
    context.http1Limits,
    connections.time,
  );
  record.http1 = connection;
  tellOfConnection(record, context);
  listenOn(socket, connection);
  if (connections.draining) connection.drain();
  if (head !== undefined) connection.receive(head);
}
