import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { ServerTls } from "../port.ts";
import { remoteAddressOf } from "./connections.ts";
import { serveHttp1 } from "./http1-server.ts";
import { serveHttp2 } from "./http2-server.ts";
import type { ListenerContext } from "./listener-context.ts";

/** How the preface of an HTTP/2 connection begins; no method of HTTP/1.1 does. */
const preface = [0x50, 0x52, 0x49];

/** Whether bytes begin like HTTP/2; undefined while they are too few to tell. */
function beginsLikeHttp2(bytes: Uint8Array): boolean | undefined {
  for (let at = 0; at < preface.length; at++) {
    if (at === bytes.length) return undefined;
    if (bytes[at] !== preface[at]) return false;
  }
  return true;
}

/** Looks at the first bytes of a connection in the clear, and serves what they begin. */
function sniff(socket: Socket, context: ListenerContext): void {
  // The listener's check ends a connection that says nothing.
  context.connections.of(socket);
  let head: Buffer | undefined;
  const end = (): void => {
    socket.end();
  };
  const look = (chunk: Buffer): void => {
    head = head === undefined ? chunk : Buffer.concat([head, chunk]);
    const isHttp2 = beginsLikeHttp2(head);
    if (isHttp2 === undefined) return;
    socket.off("data", look);
    socket.off("end", end);
    // Engines take plain bytes.
    const bytes = new Uint8Array(head.buffer, head.byteOffset, head.length);
    if (isHttp2) serveHttp2(socket, context, bytes);
    else serveHttp1(socket, context, bytes);
  };
  socket.on("data", look);
  socket.on("end", end);
}

/** A server in the clear; both versions of HTTP share its port, unless only HTTP/2 is served. */
function plainServer(context: ListenerContext): Server {
  const onlyHttp2 = context.onHttp1 === undefined;
  // A client of HTTP/1.1 may end its side when it has sent its request; what is there is still sent to it.
  return createServer({ noDelay: true, allowHalfOpen: !onlyHttp2 }, (socket) => {
    if (onlyHttp2) serveHttp2(socket, context);
    else sniff(socket, context);
  });
}

/** Over TLS some runtimes give a connection two sockets; they have this in common. */
function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

/** A server over TLS; ALPN says which version of HTTP a connection speaks. */
function secureServer(tls: ServerTls, context: ListenerContext): Server {
  const { connections } = context;
  const handshakes = new Map<string, Socket>();
  const options = {
    ALPNProtocols: context.onHttp1 === undefined ? ["h2"] : ["h2", "http/1.1"],
    cert: tls.cert,
    key: tls.key,
    ca: tls.ca,
    requestCert: tls.clientAuth !== "none",
    rejectUnauthorized: tls.clientAuth === "require",
    minVersion: "TLSv1.2",
    noDelay: true,
  } as const;
  const server = createTlsServer(options, (socket) => {
    const raw = handshakes.get(remoteOf(socket));
    handshakes.delete(remoteOf(socket));
    if (raw !== undefined && raw !== socket) connections.forget(raw);
    if (socket.alpnProtocol === "h2") serveHttp2(socket, context);
    else if (context.onHttp1 === undefined) socket.destroy();
    else serveHttp1(socket, context);
  });
  server.on("connection", (socket: Socket) => {
    const remote = remoteOf(socket);
    // The listener's check ends a handshake that does not come to its end.
    connections.of(socket);
    handshakes.set(remote, socket);
    socket.once("close", () => {
      if (handshakes.get(remote) === socket) handshakes.delete(remote);
    });
  });
  server.on("tlsClientError", (error, socket) => {
    // The socket beneath, which was asked while it was open, still knows; the one over it does not on Deno.
    const { _parent: beneath } = socket as { readonly _parent?: Socket | null };
    const remote = remoteAddressOf(socket) || (beneath ? remoteAddressOf(beneath) : "");
    socket.destroy();
    context.onConnectionError("tls", error, remote);
  });
  return server;
}

/** A server that accepts what the options of a listener ask for. */
export function acceptingServer(tls: ServerTls | undefined, context: ListenerContext): Server {
  return tls === undefined ? plainServer(context) : secureServer(tls, context);
}
