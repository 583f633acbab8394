import type { Server as HttpServer } from "node:http";
import type { Server, Socket } from "node:net";
import type { Listener } from "../port.ts";
import type { Connections } from "./connections.ts";

/** One open port of a listener. */
export interface OpenPort {
  readonly port: number;
  readonly inFlight: number;
  drain(): Promise<void>;
  destroy(): Promise<void>;
}

/** Opens a port with a server of Node's kind. */
export async function openPort(
  server: Server,
  connections: Connections,
  address: { readonly hostname: string; readonly port: number },
  onError: (error: unknown) => void,
): Promise<OpenPort> {
  const sockets = new Set<Socket>();
  // Beneath TLS these are not the sockets that requests come by; only the end of everything needs them.
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    // Whoever serves the socket reports its errors; one that nobody heard would end the process.
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: address.port, host: address.hostname, backlog: 1024 }, () => {
      server.off("error", reject);
      server.on("error", onError);
      resolve();
    });
  });
  const bound = server.address();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => server.close(() => resolve()));
    return closing;
  };
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : address.port,
    get inFlight() {
      return connections.inFlight;
    },
    drain() {
      // Resolves whatever happens; `destroy` waits for it.
      void close();
      return connections.drain();
    },
    async destroy() {
      const closed = close();
      connections.destroy();
      for (const socket of sockets) socket.destroy();
      (server as Partial<HttpServer>).closeAllConnections?.();
      await closed;
    },
  };
}

/** Joins open ports into a listener. */
export function listenerOf(rest: OpenPort, grpc: OpenPort): Listener {
  const ports = rest === grpc ? [rest] : [rest, grpc];
  return {
    ports: { rest: rest.port, grpc: grpc.port },
    get inFlight() {
      return ports.reduce((sum, port) => sum + port.inFlight, 0);
    },
    async drain() {
      await Promise.all(ports.map((port) => port.drain()));
    },
    async destroy() {
      await Promise.all(ports.map((port) => port.destroy()));
    },
  };
}
