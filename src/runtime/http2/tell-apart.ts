import type { Socket } from "node:net";
import { serveHttp2 } from "./http2-server.ts";
import { limits } from "./limits.ts";
import type { ListenerContext } from "./listener-context.ts";

/** How the HTTP/2 connection preface begins; no HTTP/1.1 method does. */
const preface = Buffer.from("PRI");

/**
 * Looks at the first bytes of a connection in the clear: HTTP/2 is served here, and what is anything else goes
 * on to `serveHttp1`, with the bytes that were read.
 */
export function tellApart(
  socket: Socket,
  context: ListenerContext,
  serveHttp1: (socket: Socket, head: Buffer) => void,
): void {
  context.connections.of(socket);
  // Until it is clear who serves it, the socket is nobody's: its silence ends it here, and its errors
  // (which close it) are of no interest.
  const give = (): void => {
    socket.destroy();
  };
  socket.setTimeout(limits.handshakeTimeoutMs, give);
  let head: Buffer = Buffer.alloc(0);
  const look = (chunk: Buffer): void => {
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const length = Math.min(head.length, preface.length);
    const isHttp2 = head.compare(preface, 0, length, 0, length) === 0;
    if (isHttp2 && head.length < preface.length) return;
    socket.off("data", look);
    socket.off("timeout", give);
    socket.setTimeout(0);
    if (isHttp2) serveHttp2(socket, context, head);
    else serveHttp1(socket, head);
  };
  socket.on("data", look);
}
