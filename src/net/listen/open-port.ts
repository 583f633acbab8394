import type { Server, Socket } from "node:net";
import type { Listener, ListenerLimits } from "../port.ts";
import { remoteAddressOf } from "./connections.ts";
import { listenError } from "./listen-error.ts";
import type { ListenerContext } from "./listener-context.ts";
import { limits as defaults } from "./listener-limits.ts";

/** One open port of a listener. */
export interface OpenPort {
  readonly port: number;
  readonly inFlight: number;
  drain(): Promise<void>;
  destroy(): Promise<void>;
}

/** The sockets that a port has accepted, TLS handshakes that are still going on included, within its limits. */
class AcceptedSockets {
  readonly #open = new Set<Socket>();
  readonly #byAddress = new Map<string, number>();
  readonly #maxInAll: number;
  readonly #maxPerAddress: number;

  readonly #sendsProxyHeader: ListenerContext["sendsProxyHeader"];

  constructor(limits: ListenerLimits, sendsProxyHeader: ListenerContext["sendsProxyHeader"]) {
    this.#sendsProxyHeader = sendsProxyHeader;
    this.#maxInAll = limits.maxConnections ?? defaults.maxConnections;
    this.#maxPerAddress = limits.maxConnectionsPerAddress ?? defaults.maxConnectionsPerAddress;
  }

  /** Takes a socket in; false when there are too many. */
  add(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const before = this.#byAddress.get(address) ?? 0;
    if (this.#open.size >= this.#maxInAll) return false;
    if (before >= this.#maxPerAddress && this.#sendsProxyHeader?.(remoteAddressOf(socket)) !== true)
      return false;
    this.#open.add(socket);
    this.#byAddress.set(address, before + 1);
    socket.once("close", () => {
      this.#open.delete(socket);
      const left = this.#byAddress.get(address)! - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    });
    return true;
  }

  destroy(): void {
    for (const socket of [...this.#open]) socket.destroy();
  }
}

/** Opens a port. */
export async function openPort(
  server: Server,
  { connections, onConnectionError, sendsProxyHeader }: ListenerContext,
  address: { readonly hostname: string; readonly port: number },
  limits: ListenerLimits,
): Promise<OpenPort> {
  const sockets = new AcceptedSockets(limits, sendsProxyHeader);
  // First, before anybody serves it. Beneath TLS this is not the socket that requests come by.
  server.prependListener("connection", (socket: Socket) => {
    // The connection on it reports the socket's errors; one without a listener would end the process.
    socket.on("error", () => {});
    if (sockets.add(socket)) return;
    const remoteAddress = remoteAddressOf(socket);
    socket.destroy();
    const tooMany = new Error("Cannot accept a connection: there are too many");
    onConnectionError("limit", tooMany, remoteAddress);
  });
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: unknown): void => reject(listenError(address, error));
    server.once("error", refuse);
    server.listen({ port: address.port, host: address.hostname, backlog: 1024 }, () => {
      server.off("error", refuse);
      server.on("error", (error) => onConnectionError("socket", error, ""));
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
      sockets.destroy();
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
