import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import { isMeshError, TransportError } from "../../core/errors.ts";
import { nodeNet, nodeTls } from "../platform/builtin.ts";
import { connectFault } from "../platform/socket-fault.ts";
import { type TlsTarget, tlsRequired } from "../tls/client-failure.ts";
import { clientTls, serverNameOf } from "../tls/client-tls.ts";
import { explain, isVague } from "../tls/explain.ts";
import { refuseCleartext } from "../tls/server-check.ts";
import { expectsTls } from "../tls/tls-failure.ts";

/** The first bytes of a server that takes the preface of HTTP/2 for a bad request. */
const http1Start = "HTTP/1.";

function isHttp1(chunk: Uint8Array): boolean {
  return String.fromCharCode(...chunk.subarray(0, http1Start.length)) === http1Start;
}

/** Whether a handshake failed because the server has no HTTP/2 to offer; runtimes tell it in words of their own. */
function isAlpnRefusal(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return /no.?application.?protocol/i.test(`${code} ${message}`);
}

/** The fault of a server that speaks HTTP/1.1 alone. */
function noHttp2(origin: string): TransportError {
  return new TransportError(
    "no-http2",
    `${origin} speaks HTTP/1.1 alone; for Connect and gRPC-Web set httpVersion: "1.1", for gRPC serve HTTP/2 there`,
  );
}

/** What the first bytes say of a server that does not respond to the preface of HTTP/2 in kind. */
export function notHttp2(origin: string, chunk: Uint8Array): TransportError | undefined {
  if (origin.startsWith("http:") && expectsTls(chunk)) {
    return tlsRequired(`Cannot connect to ${origin}`, origin);
  }
  return isHttp1(chunk) ? noHttp2(origin) : undefined;
}

/** Where and how to connect. */
export interface DialOptions extends TlsTarget {
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
}

/**
 * Opens a socket on which HTTP/2 may start.
 *
 * @param onFailed - told once, unless the socket was connected, with a `TransportError` by its fault: `refused`, `dns`,
 * `unreachable`, `tls`, `never-started`, `no-http2`
 */
export function dial(
  options: DialOptions,
  onConnected: (socket: Socket) => void,
  onFailed: (error: unknown) => void,
): void {
  const { origin, clock, connectTimeoutMs } = options;
  let socket: Socket | undefined;
  let over = false;
  const tell = (error: unknown): void => onFailed(connectFault(options, error));
  const fail = (error: unknown): void => {
    // What a socket says later is told to nobody here.
    if (over) return;
    over = true;
    stopTimer();
    socket?.destroy();
    if (isAlpnRefusal(error)) onFailed(noHttp2(origin));
    else if (isMeshError(error)) onFailed(error);
    // It never rejects.
    else if (isVague(error)) void explain(error, options, clock).then(tell);
    else tell(error);
  };
  const stopTimer = clock.schedule(
    () => fail(new Error(`no connection within ${connectTimeoutMs} ms`)),
    connectTimeoutMs,
  );
  try {
    const opening = connect(options, (error) => {
      if (error !== undefined) {
        fail(error);
        return;
      }
      over = true;
      stopTimer();
      opening.off("close", closed);
      onConnected(opening);
    });
    const closed = (): void => fail(new Error("the connection was closed"));
    socket = opening;
    // Stays for good: an idle session's error must never be an unhandled one.
    opening.on("error", fail);
    opening.once("close", closed);
  } catch (error) {
    fail(error);
  }
}

function connect(options: DialOptions, connected: (error?: Error) => void): Socket {
  refuseCleartext(options.origin, options.server);
  const url = new URL(options.origin);
  const secure = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  if (!secure) {
    const socket = nodeNet().connect({ host, port, noDelay: true });
    socket.once("connect", () => connected());
    return socket;
  }
  const socket = nodeTls().connect({
    host,
    port,
    ALPNProtocols: ["h2"],
    ...serverNameOf(host),
    ...clientTls(options.tls, options.server),
  });
  socket.setNoDelay(true);
  socket.once("secureConnect", () => {
    connected(socket.alpnProtocol === "h2" ? undefined : noHttp2(options.origin));
  });
  return socket;
}
