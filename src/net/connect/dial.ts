import { isIP, connect as netConnect, type Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { TransportError } from "../../core/errors.ts";
import type { TlsIdentity } from "../../core/identity.ts";

/** What the first bytes of a server say that takes the preface of HTTP/2 for a bad request. */
const http1Answer = "HTTP/1.";

/** Whether a server answers the preface of HTTP/2 in HTTP/1.1. */
export function isHttp1(chunk: Uint8Array): boolean {
  return String.fromCharCode(...chunk.subarray(0, http1Answer.length)) === http1Answer;
}

/** Whether a handshake failed because the server has no HTTP/2 to offer; runtimes tell it in words of their own. */
export function isAlpnRefusal(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return /no.?application.?protocol/i.test(`${code} ${message}`);
}

/** The fault of a server that speaks HTTP/1.1 alone. */
export function noHttp2(origin: string): TransportError {
  return new TransportError(
    "no-http2",
    `${origin} speaks HTTP/1.1 alone; for Connect and gRPC-Web set httpVersion: "1.1", for gRPC serve HTTP/2 there`,
  );
}

/** Opens a socket to the origin; `connected` is called when HTTP/2 may start on it. */
export function dial(
  options: { readonly origin: string; readonly tls: TlsIdentity | undefined },
  connected: (error?: Error) => void,
): Socket {
  const url = new URL(options.origin);
  const secure = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  if (!secure) {
    const socket = netConnect({ host, port, noDelay: true });
    socket.once("connect", () => connected());
    return socket;
  }
  const socket = tlsConnect({
    host,
    port,
    ALPNProtocols: ["h2"],
    minVersion: "TLSv1.2",
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(options.tls === undefined
      ? {}
      : { ca: options.tls.ca, cert: options.tls.cert, key: options.tls.key }),
  });
  socket.setNoDelay(true);
  socket.once("secureConnect", () => {
    connected(socket.alpnProtocol === "h2" ? undefined : noHttp2(options.origin));
  });
  return socket;
}
