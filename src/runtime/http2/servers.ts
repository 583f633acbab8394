import { createServer as createHttp1Server, type Server as Http1Server } from "node:http";
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2SecureServer,
  type Http2Server,
  type ServerOptions as Http2ServerOptions,
  type ServerHttp2Session,
} from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ListenOptions, ServerTls } from "../port.ts";
import type { Connections } from "./connections.ts";
import { limits } from "./limits.ts";
import { type Application, http1Handler, http2Handler } from "./serve.ts";

/** What every server of a listener is made with. */
export interface ServerContext {
  readonly application: Application;
  readonly connections: Connections;
  readonly onConnectionError: ListenOptions["onConnectionError"];
  /** Flow-control window of an HTTP/2 connection; undefined leaves it to the runtime. */
  readonly sessionWindowBytes: number | undefined;
}

const http1Options = {
  maxHeaderSize: limits.headerBytes,
  headersTimeout: limits.headersTimeoutMs,
  // A long upload is no attack: how long a request may take is the mesh's deadline to say.
  requestTimeout: 0,
  keepAliveTimeout: limits.keepAliveMs,
  connectionsCheckingInterval: 5_000,
};

const http2Options: Http2ServerOptions = {
  maxSessionMemory: limits.sessionMegabytes,
  maxHeaderListPairs: limits.headerPairs,
  settings: {
    maxConcurrentStreams: limits.concurrentStreams,
    maxHeaderListSize: limits.headerBytes,
    initialWindowSize: limits.streamWindowBytes,
    enablePush: false,
  },
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
export function http1Server(context: ServerContext, onHttp2?: Http2Upgrade): Http1Server {
  const server = createHttp1Server(http1Options, http1Handler(context.application, context.connections));
  server.on("connection", (socket) => context.connections.of(socket));
  server.on("clientError", (error: Error & { code?: string; rawPacket?: Buffer }, socket) => {
    if (onHttp2 !== undefined && error.code === "HPE_PAUSED_H2_UPGRADE" && error.rawPacket !== undefined) {
      onHttp2(socket as Socket, wholePreface(error.rawPacket));
      return;
    }
    context.onConnectionError(kindOf(error), error);
    refuseMalformed(error, socket);
  });
  return server;
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

function adoptSession(session: ServerHttp2Session, context: ServerContext): void {
  session.on("error", (error) => context.onConnectionError(kindOf(error), error));
  session.setTimeout(limits.sessionIdleMs, () => session.close());
  if (context.sessionWindowBytes !== undefined) session.setLocalWindowSize(context.sessionWindowBytes);
  context.connections.ofSession(session, session.socket as Socket);
}

function serveHttp2(server: Http2Server | Http2SecureServer, context: ServerContext): void {
  server.on("session", (session) => adoptSession(session, context));
  server.on("sessionError", (error) => context.onConnectionError(kindOf(error), error));
  server.on("stream", http2Handler(context.application, context.connections));
}

/** An HTTP/2 server in the clear, for clients that know that it is one. */
export function http2Server(context: ServerContext): Http2Server {
  const server = createHttp2Server(http2Options);
  // Before the session exists: it shows a stand-in of its socket that cannot be closed.
  server.prependListener("connection", (socket) => context.connections.of(socket));
  serveHttp2(server, context);
  return server;
}

/** A TLS server that speaks HTTP/2, and HTTP/1.1 too if asked; ALPN decides for each connection. */
export function secureServer(
  tls: ServerTls,
  context: ServerContext,
  options: { readonly allowHttp1: boolean },
): Http2SecureServer {
  const server = createSecureServer({
    ...http2Options,
    ...http1Options,
    allowHTTP1: options.allowHttp1,
    cert: tls.cert,
    key: tls.key,
    ca: tls.ca,
    requestCert: tls.clientAuth !== "none",
    rejectUnauthorized: tls.clientAuth === "require",
    minVersion: "TLSv1.2",
    handshakeTimeout: limits.handshakeTimeoutMs,
  });
  if (options.allowHttp1) {
    server.on("request", http1Handler(context.application, context.connections));
    // Listening for requests made the compatibility layer listen for streams: those are served directly.
    server.removeAllListeners("stream");
  }
  serveHttp2(server, context);
  server.prependListener("secureConnection", (socket) => context.connections.of(socket));
  // First, because the HTTP/2 server's own listener passes a failed handshake on as a client's error.
  server.prependListener("tlsClientError", (error) => context.onConnectionError("tls", error));
  server.on("clientError", (error: Error, socket: Duplex) => {
    context.onConnectionError(kindOf(error), error);
    refuseMalformed(error, socket);
  });
  return server;
}
