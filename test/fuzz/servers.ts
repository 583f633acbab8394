import { createClient } from "@connectrpc/connect";
import { runtime } from "#runtime";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { RpcTransport } from "../../src/rpc/client/rpc-transport.ts";
import { createDispatcher } from "../../src/rpc/server/create-dispatcher.ts";
import { EchoService } from "../gen/test/v1/echo_pb.ts";
import { within } from "../net/listen/listener-fixture.ts";
import { OpenPipeline } from "../rpc/echo.ts";
import type { Dice } from "../support/dice.ts";
import { SkippingClock } from "../support/skipping-clock.ts";
import { connected, steadyRequests } from "./clients.ts";
import { handle, nastyRoutes } from "./handlers.ts";
import { seenOf, wrongRequest } from "./http1-requests.ts";
import { packets, play } from "./script.ts";

/** A server that hostile clients are let loose on. */
export interface FuzzedServer {
  readonly name: string;
  readonly port: number;
  readonly inFlight: number;
  /** RPCs that have begun and have not ended. */
  readonly openCalls: number;
  /** What `/steady` was asked, by target: method and body. */
  readonly seen: Map<string, string>;
  /** So much time passes. */
  skip(ms: number): void;
  close(): Promise<unknown>;
}

/** Connections that are not closed fill this up, and then the server serves nobody. */
const limits = { maxConnections: 500, maxConnectionsPerAddress: 500 };

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

async function handleAll(seen: Map<string, string>, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (!pathname.startsWith("/steady")) return handle(request);
  const body = request.body === null ? new Uint8Array(0) : await request.bytes();
  const before = seen.get(pathname);
  seen.set(pathname, `${before === undefined ? "" : `${before} and `}${request.method} ${hex(body)}`);
  return new Response(pathname, { headers: { "x-path": pathname } });
}

/** A bare listener, beneath all layers. */
export async function bareServer(): Promise<FuzzedServer> {
  const seen = new Map<string, string>();
  const clock = new SkippingClock();
  let checked = 0;
  const pipeline = new OpenPipeline(clock);
  pipeline.check = (_call, { headers }) => {
    if (headers.get("te") !== undefined) return undefined;
    return new Promise((resolve, reject) => setImmediate(++checked % 10 > 0 ? resolve : reject));
  };
  const listener = await runtime.listen({
    hostname: "127.0.0.1",
    ports: { all: 0 },
    tls: undefined,
    // Instead of the mesh's deadline: while a body that nobody reads waits, nobody hears that its client has left.
    fetch: (request) =>
      Promise.race([
        handleAll(seen, request),
        clock.sleep(600_000).then(() => new Response(null, { status: 504 })),
      ]),
    rpc: createDispatcher({ pipeline, clock, routes: nastyRoutes, maxMessageBytes: 1_000_000 }),
    onConnectionError() {
      throw new Error("A hook failed");
    },
    onHandlerError() {
      throw new Error("A hook failed");
    },
    limits,
    clock,
  });
  return {
    name: "a bare listener",
    port: listener.ports.rest,
    seen,
    get inFlight() {
      return listener.inFlight;
    },
    get openCalls() {
      return pipeline.inFlight;
    },
    skip: (ms) => clock.skip(ms),
    async close() {
      await listener.drain();
      await listener.destroy();
      clock.stop();
    },
  };
}

/** A whole mesh. */
export async function meshServer(): Promise<FuzzedServer> {
  const seen = new Map<string, string>();
  const clock = new SkippingClock();
  const mesh = createMesh({
    service: "fuzz",
    clock,
    server: { rateLimit: false, cors: { origins: ["https://a.test"] } },
    onError() {},
  });
  const app = mesh.app();
  app.all("/*", (c) => handleAll(seen, c.req.raw));
  const server = await mesh.serve({
    hostname: "127.0.0.1",
    port: 0,
    app,
    routes: nastyRoutes,
    maxMessageBytes: 1_000_000,
    connections: limits,
    reflection: true,
  });
  return {
    name: "a mesh",
    port: server.port,
    seen,
    get inFlight() {
      return server.inFlight;
    },
    openCalls: 0,
    skip: (ms) => clock.skip(ms),
    close: () => server.close(),
  };
}

/** Right requests on one HTTP/1.1 connection are taken as they were meant; the rest is what is wrong. */
export async function steadyHttp1(
  { port, seen, name }: FuzzedServer,
  dice: Dice,
  wrong = false,
): Promise<string[]> {
  const requests = steadyRequests(dice);
  const expected = seenOf(requests);
  const socket = await connected(port);
  if (socket === undefined) return [`${name} takes no connection`];
  let text = "";
  socket.on("data", (chunk: Uint8Array) => {
    text += Buffer.from(chunk).toString("latin1");
  });
  const pieces = requests.flatMap((request) => [...request.pieces]);
  const steps = packets(dice, wrong ? [...pieces, wrongRequest(dice, "/steady/smuggled").bytes] : pieces);
  // A client that says goodbye does not want what is not there yet.
  const complete = async (): Promise<void> => {
    for (let turn = 0; turn < 2_500; turn++) {
      if (expected.every(({ target }) => text.includes(`x-path: ${pathOf(target)}`)) || socket.destroyed)
        return;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  await play(socket, { steps, end: "goodbye" }, complete);
  socket.destroy();
  const problems: string[] = [];
  for (const { target, method, body } of requests) {
    const path = pathOf(target);
    // A handler sees no body of these.
    const content = method === "GET" || method === "HEAD" ? "" : hex(body);
    const meant = expected.some((each) => each.target === target) ? `${method} ${content}` : undefined;
    if (seen.get(path) !== meant) problems.push(`${name} took ${path} for ${seen.get(path)}, not ${meant}`);
    if (meant !== undefined && !text.includes(`x-path: ${path}`)) {
      problems.push(`${name} did not respond to ${path}, but ${JSON.stringify(text.slice(-500))}`);
    }
    seen.delete(path);
  }
  if (seen.has("/steady/smuggled")) problems.push(`${name} took a smuggled request`);
  return problems;
}

function pathOf(target: string): string {
  return target.replace(/^http:\/\/a/, "");
}

/** An RPC transport that stays, for exchanges beside those of hostile clients. */
export function steadyLeaf({ port }: FuzzedServer, protocol: "grpc" | "connect"): RpcTransport {
  return runtime.openRpcTransport({
    origin: `http://127.0.0.1:${port}`,
    protocol,
    tls: undefined,
    maxConnectionsPerEndpoint: 2,
    useBinaryFormat: true,
    maxMessageBytes: 4 * 1024 * 1024,
  });
}

/** A right RPC gets its right response. */
export async function steadyRpc(
  { name }: FuzzedServer,
  transport: RpcTransport,
  dice: Dice,
): Promise<string[]> {
  const client = createClient(EchoService, transport.transport);
  const text = dice.text(dice.size(50_000));
  try {
    const response = await within(
      client.echo({ text }, { headers: { te: "trailers" } }),
      "a right RPC",
      8_000,
    );
    if (response.text !== text) return [`${name} responded to an RPC with something else`];
    let count = 0;
    for await (const message of client.expand({ text: "a", count: 3 }, { headers: { te: "trailers" } })) {
      if (message.text === "a") count++;
    }
    return count === 3 ? [] : [`${name} responded to an RPC with ${count} messages instead of 3`];
  } catch (error) {
    return [`${name} failed a right RPC: ${error}`];
  }
}
