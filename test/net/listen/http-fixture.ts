import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from "node:net";
import { staticResolver } from "../../../src/discovery/static-resolver.ts";
import { createMesh } from "../../../src/mesh/mesh.ts";
import type { Mesh, MeshOptions } from "../../../src/mesh/options.ts";

const closers: (() => void)[] = [];

/** Closes everything that was opened here; for `after()`. */
export function closeAll(): void {
  for (const close of closers.splice(0)) close();
}

/** Opens a port for a server, and gives its origin. */
export async function listening(server: Server | TcpServer): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A plain HTTP server, as any framework makes one. */
export function serverOf(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  return listening(createServer(handler));
}

/** The address of nobody: a port that was free a moment ago. */
export async function deadOrigin(): Promise<string> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/** A mesh that knows the service `lake` at these origins, and calls it once. */
export function meshOver(origins: readonly string[], options: Partial<MeshOptions> = {}): Mesh {
  const mesh = createMesh({
    service: "gateway",
    resolver: staticResolver({ lake: origins }),
    policies: { lake: { retry: false } },
    ...options,
  });
  closers.push(() => void mesh.close());
  return mesh;
}
