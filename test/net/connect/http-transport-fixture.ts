import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { runtime } from "#runtime";
import { Call } from "../../../src/core/call.ts";
import type { ConnectOptions } from "../../../src/net/port.ts";
import type { HttpBody, HttpResponse, HttpTransport } from "../../../src/rest/http-transport.ts";
import type { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { within } from "../listen/listener-fixture.ts";

/** Opens a leaf that is closed with the test. */
export function openTransport(cleanup: Cleanup, options: Partial<ConnectOptions> = {}): HttpTransport {
  const transport = runtime.openHttpTransport({ tls: undefined, maxConnectionsPerEndpoint: 100, ...options });
  cleanup.add(() => {
    // A test may leave responses unread; their end is not this one's business.
    transport.close().catch(() => {});
  });
  return transport;
}

/** A client's call to the service `lake`. */
export function newCall(): Call {
  return new Call({ side: "client", protocol: "rest", service: "lake", operation: "GET" });
}

/** What {@link send} takes beside the address. */
export interface SendOptions {
  readonly call?: Call;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: HttpBody;
}

/** Sends one request through a leaf. */
export function send(
  transport: HttpTransport,
  url: string,
  options: SendOptions = {},
): Promise<HttpResponse> {
  const { call = newCall(), method = "GET", headers = {}, body } = options;
  return within(transport.send(call, { method, url, headers, body }), "a response");
}

/** Opens any server of Node's kind and returns its port; its sockets end with the test. */
export async function listening(cleanup: Cleanup, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanup.add(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** A plain HTTP server. */
export async function httpOrigin(
  cleanup: Cleanup,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  return `http://127.0.0.1:${await listening(cleanup, createServer(handler))}`;
}

/** A server that does what it likes with its sockets. */
export async function tcpOrigin(cleanup: Cleanup, handler: (socket: Socket) => void): Promise<string> {
  return `http://127.0.0.1:${await listening(cleanup, createTcpServer(handler))}`;
}

/** The port of nobody: one that was free a moment ago. */
export async function deadPort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
