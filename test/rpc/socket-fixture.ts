import type { ConnectRouter } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Server } from "../../src/mesh/options.ts";
import type { RpcTransportOptions } from "../../src/net/port.ts";
import type { RpcTransport } from "../../src/rpc/client/rpc-transport.ts";
import { createDispatcher, type DispatcherOptions } from "../../src/rpc/server/create-dispatcher.ts";
import type { Cleanup } from "./client/grpc-checks.ts";
import { echoRoutes, OpenPipeline } from "./echo.ts";

/** A served EchoService on a port of its own. */
export interface ServedEcho {
  readonly origin: string;
  readonly port: number;
  readonly pipeline: OpenPipeline;
  /** Ends it at once. */
  destroy(): Promise<void>;
}

const closers: (() => Promise<void>)[] = [];

/** Closes everything that a test opened; call it after each suite. */
export async function closeAll(): Promise<void> {
  await Promise.all(closers.splice(0).map((close) => close()));
}

/** Serves the EchoService, or other routes, in cleartext. */
export async function serveEcho(options: Partial<DispatcherOptions> = {}, port = 0): Promise<ServedEcho> {
  const pipeline = new OpenPipeline();
  const listener = await runtime.listen({
    hostname: "127.0.0.1",
    ports: { all: port },
    tls: undefined,
    fetch: () => new Response("not an RPC", { status: 404 }),
    rpc: createDispatcher({ routes: echoRoutes, ...options, pipeline }),
    onConnectionError: () => {},
  });
  const destroy = (): Promise<void> => listener.destroy();
  closers.push(destroy);
  const { rest } = listener.ports;
  return { origin: `http://127.0.0.1:${rest}`, port: rest, pipeline, destroy };
}

/** Serves the EchoService, or other routes, with a mesh of its own that knows no rate limit. */
export async function serveMesh(
  cleanup: Cleanup,
  routes: (router: ConnectRouter) => unknown = echoRoutes,
): Promise<Server> {
  const mesh = createMesh({ service: "echo", server: { rateLimit: false } });
  const server = await mesh.serve({ hostname: "127.0.0.1", port: 0, routes });
  cleanup.add(() => server.close({ force: true }));
  return server;
}

/** The address of nobody: a port that was free a moment ago. */
export async function deadOrigin(): Promise<string> {
  const server = await serveEcho();
  await server.destroy();
  return server.origin;
}

/** Leaves to any origin, kept until {@link closeAll}. */
export function leavesOf(protocol: RpcTransportOptions["protocol"]): (origin: string) => RpcTransport {
  const transports = new Map<string, RpcTransport>();
  closers.push(async () => {
    for (const transport of transports.values()) await transport.close();
  });
  return (origin) => {
    let transport = transports.get(origin);
    if (transport === undefined) {
      transport = runtime.openRpcTransport({
        origin,
        protocol,
        tls: undefined,
        maxConnectionsPerEndpoint: 10,
        useBinaryFormat: true,
        maxMessageBytes: 4 * 1024 * 1024,
      });
      transports.set(origin, transport);
    }
    return transport;
  };
}

/** Resolves when `ready` holds; for what happens on the other end of a socket, which is `what` in the error. */
export async function until(ready: () => boolean | Promise<boolean>, what = "it to happen"): Promise<void> {
  for (let turn = 0; !(await ready()); turn++) {
    if (turn > 5_000) throw new Error(`Expected ${what} within 5 s`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
