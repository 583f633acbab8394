import { createServer as createHttp1Server, type Server as Http1Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import type { ServerTls } from "../port.ts";
import { serveHttp2 } from "./http2-server.ts";
import { limits } from "./limits.ts";
import type { ListenerContext } from "./listener-context.ts";
import { http1Handler } from "./serve.ts";

const http1Options = {
  maxHeaderSize: limits.headerBytes,
  headersTimeout: limits.headersTimeoutMs,
  // A long upload is no attack: how long a request may take is the mesh's deadline to say.
  requestTimeout: 0,
  keepAliveTimeout: limits.keepAliveMs,
  connectionsCheckingInterval: 5_000,
};

const statusLines: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/** Answers what is no HTTP/1.1 request, as far as the socket still takes an answer, and closes. */
export function refuseMalformed(error: Error & { code?: string }, socket: Duplex): void {
  if (socket.writable && error.code !== "ECONNRESET" && !error.code?.startsWith("ERR_SSL")) {
    const status = statusLines[error.code ?? ""] ?? "400 Bad Request";
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    // Whoever goes on sending gets no ear.
    socket.resume();
    socket.once("finish", () => socket.destroy());
  } else {
    socket.destroy();
  }
}

function kindOf(error: Error & { code?: string }): "protocol" | "socket" {
  return error.code?.startsWith("HPE_") || error.code?.startsWith("ERR_HTTP") ? "protocol" : "socket";
}

/** An HTTP/1.1 connection that turned out to be an HTTP/2 one, with the bytes that say so. */
export type Http2Upgrade = (socket: Socket, head: Buffer) => void;

/**
 * An HTTP/1.1 server in the clear.
 *
 * @param onHttp2 - takes over a connection on which the parser met the preface of HTTP/2; without it
 *   such a connection is malformed like any other
 */
export function http1Server(context: ListenerContext, onHttp2?: Http2Upgrade): Http1Server {
  const server = createHttp1Server(http1Options);
  server.on("connection", (socket) => context.connections.of(socket));
  serveHttp1(server, context, onHttp2);
  return server;
}

function serveHttp1(server: Http1Server, context: ListenerContext, onHttp2?: Http2Upgrade): void {
  server.on("request", http1Handler(context.application, context.connections));
  server.on("clientError", (error: Error & { code?: string; rawPacket?: Buffer }, socket: Duplex) => {
    if (onHttp2 !== undefined && error.code === "HPE_PAUSED_H2_UPGRADE" && error.rawPacket !== undefined) {
      onHttp2(socket as Socket, wholePreface(error.rawPacket));
      return;
    }
    context.onConnectionError(kindOf(error), error);
    refuseMalformed(error, socket);
  });
}

const prefaceStart = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** The parser shows the packet that completed the preface, which need not hold all of it. */
function wholePreface(packet: Buffer): Buffer {
  if (packet.subarray(0, prefaceStart.length).equals(prefaceStart)) return packet;
  for (let length = prefaceStart.length - 1; length > 0; length--) {
    const tail = prefaceStart.subarray(prefaceStart.length - length);
    if (packet.subarray(0, length).equals(tail))
      return Buffer.concat([prefaceStart, packet.subarray(length)]);
  }
  return packet;
}

/** A server for HTTP/2 in the clear, for clients that know that it is one. */
export function http2Server(context: ListenerContext): Server {
  return createServer({ noDelay: true }, (socket) => serveHttp2(socket, context));
}

/** How TLS is served; for `protocols` in the order of preference. */
export function tlsOptions(tls: ServerTls, protocols: readonly string[]): TlsOptions {
  return {
    ALPNProtocols: [...protocols],
    cert: tls.cert,
    key: tls.key,
    ca: tls.ca,
    requestCert: tls.clientAuth !== "none",
    rejectUnauthorized: tls.clientAuth === "require",
    minVersion: "TLSv1.2",
    handshakeTimeout: limits.handshakeTimeoutMs,
    noDelay: true,
  };
}

/** A TLS server for HTTP/2 alone. */
export function secureHttp2Server(tls: ServerTls, context: ListenerContext): Server {
  const server = createTlsServer(tlsOptions(tls, ["h2"]), (socket) => {
    if (socket.alpnProtocol === "h2") serveHttp2(socket, context);
    else socket.destroy();
  });
  server.on("tlsClientError", (error) => context.onConnectionError("tls", error));
  return server;
}

/** A TLS server that speaks HTTP/2 and HTTP/1.1; ALPN decides for each connection. */
export function secureServer(tls: ServerTls, context: ListenerContext): Server {
  const server = createHttpsServer({ ...http1Options, ...tlsOptions(tls, ["h2", "http/1.1"]) });
  const asHttp1 = server.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket: TLSSocket) => {
    context.connections.of(socket);
    if (socket.alpnProtocol === "h2") serveHttp2(socket, context);
    else for (const listener of asHttp1) listener.call(server, socket);
  });
  // First, because the server's own listener passes a failed handshake on as a client's error.
  server.prependListener("tlsClientError", (error) => context.onConnectionError("tls", error));
  serveHttp1(server, context);
  return server;
}
