import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

/** The native side of a socket that Bun's HTTP server accepted. */
interface NativeHandle {
  upgradeToTunnel(hasBody: boolean, response: unknown): void;
  readStop(): void;
  readStart(): void;
  readonly response: unknown;
}

interface Internals {
  readonly handle: NativeHandle;
  readonly streaming: (this: Socket, enable: boolean) => void;
}

/**
 * Finds what Bun's own `upgrade` event uses to turn an HTTP connection into a plain socket. It has no
 * public name, so it is looked for by its shape.
 */
function internalsOf(socket: Socket): Internals | undefined {
  const own = Object.getOwnPropertySymbols(socket).map((symbol) => Reflect.get(socket, symbol) as unknown);
  const handle = own.find(
    (value) => typeof (value as Partial<NativeHandle> | null | undefined)?.upgradeToTunnel === "function",
  );
  const prototype: object = Object.getPrototypeOf(socket);
  const name = Object.getOwnPropertySymbols(prototype).find(
    (symbol) => symbol.description === "kEnableStreaming",
  );
  const streaming: unknown = name === undefined ? undefined : Reflect.get(prototype, name);
  if (handle === undefined || typeof streaming !== "function") return undefined;
  const { readStop, readStart } = handle as Partial<NativeHandle>;
  if (typeof readStop !== "function" || typeof readStart !== "function") return undefined;
  return { handle: handle as NativeHandle, streaming: streaming as Internals["streaming"] };
}

/**
 * Bun's HTTP server ends a connection some 8 to 12 s after it was opened unless a request has come, and takes no
 * traffic of a plain socket for one. Nothing turns that off; but a socket that starts to read again is given as long
 * once more.
 */
const refreshMs = 4_000;
const tunnels = new Set<NativeHandle>();
let refreshing: ReturnType<typeof setInterval> | undefined;

function keepOpen(socket: Socket, handle: NativeHandle): void {
  tunnels.add(handle);
  socket.once("close", () => {
    tunnels.delete(handle);
    if (tunnels.size > 0) return;
    clearInterval(refreshing);
    refreshing = undefined;
  });
  refreshing ??= setInterval(() => {
    for (const each of tunnels) {
      each.readStop();
      each.readStart();
    }
  }, refreshMs).unref();
}

/**
 * Turns a connection of Bun's HTTP server into a plain socket, as its `upgrade` event would; the bytes
 * that the parser took are for the caller to put back.
 *
 * @returns whether this version of Bun could do it
 */
export function toPlainSocket(socket: Socket): boolean {
  const internals = internalsOf(socket);
  if (internals === undefined) return false;
  try {
    internals.handle.upgradeToTunnel(false, internals.handle.response);
    internals.streaming.call(socket, true);
  } catch {
    return false;
  }
  keepOpen(socket, internals.handle);
  socket.removeAllListeners("error");
  socket.removeAllListeners("timeout");
  // As if nobody had ever read from it: the next listener for data starts it.
  (socket as { readableFlowing: boolean | null }).readableFlowing = null;
  return true;
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const probeTimeoutMs = 2_000;
let probed: Promise<boolean> | undefined;

/**
 * Whether {@link toPlainSocket} works on this version of Bun: tried once, on a port of the loopback
 * interface that is closed again, by sending bytes before and after the hand-over and getting them back.
 */
export function canTunnel(): Promise<boolean> {
  probed ??= new Promise<boolean>((resolve) => {
    const server = createServer();
    let client: Socket | undefined;
    const timer = setTimeout(() => finish(false), probeTimeoutMs);
    const finish = (works: boolean): void => {
      clearTimeout(timer);
      client?.destroy();
      server.close();
      server.closeAllConnections();
      resolve(works);
    };
    server.once("error", () => finish(false));
    server.on("clientError", (error: Error & { code?: string }, socket) => {
      if (error.code !== "HPE_PAUSED_H2_UPGRADE" || !toPlainSocket(socket as Socket)) {
        finish(false);
        return;
      }
      socket.on("error", () => finish(false));
      socket.on("data", (chunk: Buffer) => socket.write(chunk));
      socket.write("taken");
    });
    server.listen(0, "127.0.0.1", () => {
      client = connect((server.address() as AddressInfo).port, "127.0.0.1", () => client?.write(preface));
      let received = "";
      client.on("error", () => finish(false));
      client.on("data", (chunk: Buffer) => {
        received += chunk.toString("latin1");
        if (received === "taken") client?.write("echo");
        else if (received === "takenecho") finish(true);
      });
    });
  });
  return probed;
}
