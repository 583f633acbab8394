import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions as TlsServerOptions } from "node:tls";
import { clientRoots } from "../../core/tls-options.ts";
import type { ServerTls } from "../port.ts";
import { defaultMinVersion } from "../tls/client-tls.ts";
import { certificatesIn } from "../tls/pem.ts";
import { handshakeFailure, tlsOnPlainPort } from "../tls/server-failure.ts";
import { tlsErrorIn } from "../tls/tls-failure.ts";
import { remoteAddressOf } from "./connections.ts";
import { serveHttp1 } from "./http1-server.ts";
import { serveHttp2 } from "./http2-server.ts";
import type { ListenerContext } from "./listener-context.ts";
import { takeProxyHeader } from "./proxy-header.ts";

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

/** How a connection begins that is TLS: with a record of the handshake. */
const handshakeRecord = 0x16;

/** What clients are sent that speak no TLS where it is expected: a fatal alert, "protocol version". */
const expectsTls = new Uint8Array([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]);

/** What clients are sent that speak TLS where nobody does; in their handshake they see no more than that it is no TLS. */
const speaksPlainHttp = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

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
    if (head[0] === handshakeRecord) {
      socket.end(speaksPlainHttp);
      const remote = remoteAddressOf(socket);
      context.onConnectionError("tls", tlsOnPlainPort(remote), remote);
      return;
    }
    // Engines take plain bytes.
    const bytes = new Uint8Array(head.buffer, head.byteOffset, head.length);
    if (isHttp2) serveHttp2(socket, context, bytes);
    else serveHttp1(socket, context, bytes);
  };
  socket.on("data", look);
  socket.on("end", end);
}

/** Serves a connection, after the header of the PROXY protocol where the one at the other end is to send it. */
function afterProxyHeader(socket: Socket, context: ListenerContext, serve: () => void): void {
  const remote = remoteAddressOf(socket);
  if (context.sendsProxyHeader?.(remote) !== true) {
    serve();
    return;
  }
  // The listener's check ends a connection that says nothing.
  const record = context.connections.of(socket);
  takeProxyHeader(
    socket,
    (address) => {
      if (address !== undefined) record.remoteAddress = address;
      serve();
    },
    ({ message }) => {
      const error = new Error(
        `Cannot serve a connection from ${remote}: ${message}; let the proxy send the PROXY protocol, or take it out of connections.proxyProtocol`,
      );
      context.onConnectionError("protocol", error, remote);
    },
  );
}

/** A server in the clear; both versions of HTTP share its port, unless only HTTP/2 is served. */
function plainServer(context: ListenerContext): Server {
  const onlyHttp2 = context.onHttp1 === undefined;
  // A client of HTTP/1.1 may end its side when it has sent its request; what is there is still sent to it.
  return createServer({ noDelay: true, allowHalfOpen: !onlyHttp2 }, (socket) => {
    afterProxyHeader(socket, context, () => {
      if (onlyHttp2) serveHttp2(socket, context);
      else sniff(socket, context);
      if (socket.isPaused()) socket.resume();
    });
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
  const options: TlsServerOptions = {
    ALPNProtocols: context.onHttp1 === undefined ? ["h2"] : ["h2", "http/1.1"],
    // Present and read: the listener has checked it.
    cert: certificatesIn(tls.cert as string).join("\n"),
    key: tls.key as string,
    ...(tls.passphrase !== undefined && { passphrase: tls.passphrase }),
    ...(tls.ciphers !== undefined && { ciphers: tls.ciphers }),
    ...(tls.clientAuth !== "none" && { ca: clientRoots(tls).flatMap(certificatesIn) }),
    requestCert: tls.clientAuth !== "none",
    rejectUnauthorized: tls.clientAuth === "require",
    minVersion: tls.minVersion ?? defaultMinVersion,
    noDelay: true,
  };
  const server = createTlsServer(options, (socket) => {
    const raw = handshakes.get(remoteOf(socket));
    handshakes.delete(remoteOf(socket));
    if (raw !== undefined && raw !== socket) {
      connections.of(socket).remoteAddress = connections.of(raw).remoteAddress;
      connections.forget(raw);
    }
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
    const raw = handshakes.get(remoteOf(socket));
    const refused = tlsErrorIn(error)?.reason === "plaintext" && raw !== undefined && raw !== socket;
    // The socket beneath, which was asked while it was open, still knows; the one over it does not on Deno.
    const { _parent: beneath } = socket as { readonly _parent?: Socket | null };
    const remote =
      raw === undefined
        ? remoteAddressOf(socket) || (beneath ? remoteAddressOf(beneath) : "")
        : connections.of(raw).remoteAddress;
    // Node leaves it to us, and has the socket beneath; the others have sent an alert.
    if (refused && raw.writable) raw.end(expectsTls, () => socket.destroy());
    else socket.destroy();
    context.onConnectionError("tls", handshakeFailure(error, socket.authorizationError, remote), remote);
  });
  return server;
}

/** A server that accepts what the options of a listener ask for. */
export function acceptingServer(tls: ServerTls | undefined, context: ListenerContext): Server {
  if (tls === undefined) return plainServer(context);
  const secure = secureServer(tls, context);
  if (context.sendsProxyHeader === undefined) return secure;
  // The header comes before the handshake.
  return createServer({ noDelay: true }, (socket) => {
    afterProxyHeader(socket, context, () => secure.emit("connection", socket));
  });
}
