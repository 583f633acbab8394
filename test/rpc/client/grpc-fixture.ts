import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { type Client, createClient, type Interceptor, type ServiceImpl } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Call } from "../../../src/core/call.ts";
import type { Clock } from "../../../src/core/clock.ts";
import type { TlsIdentity } from "../../../src/core/identity.ts";
import type { Outcome } from "../../../src/core/outcome.ts";
import { compressions, messageCompressions } from "../../../src/net/compression.ts";
import {
  openGrpcTransport,
  type PooledGrpcOptions,
  type PooledGrpcTransport,
} from "../../../src/net/connect/grpc-transport.ts";
import { connectionOver } from "../../../src/net/socket-transport.ts";
import { createDispatcher } from "../../../src/rpc/server/create-dispatcher.ts";
import type { ResponseCompression } from "../../../src/rpc/server/dispatcher.ts";
import { createGrpcHandler } from "../../../src/rpc/server/grpc-handler.ts";
import type { InboundRequest } from "../../../src/serve/inbound-request.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { OpenPipeline } from "../echo.ts";
import type { Cleanup } from "./grpc-checks.ts";
import { answerFrame, frame } from "./grpc-frames.ts";

/** A plain echo service. */
export const echo: Partial<ServiceImpl<typeof EchoService>> = {
  echo: (request) => ({ text: request.text, payload: request.payload }),
  async *expand(request) {
    for (let index = 0; index < request.count; index++) yield { text: request.text, index };
  },
  async collect(requests) {
    const texts: string[] = [];
    for await (const request of requests) texts.push(request.text);
    return { text: texts.join(","), index: texts.length };
  },
  async *chat(requests) {
    let index = 0;
    for await (const request of requests) yield { text: request.text, index: index++ };
  },
};

/** How a test server differs from the plain one. */
export interface ServeOptions {
  readonly service?: Partial<ServiceImpl<typeof EchoService>>;
  readonly check?: (call: Call, inbound: InboundRequest) => void | Promise<void>;
  readonly interceptors?: readonly Interceptor[];
  readonly maxMessageBytes?: number;
  readonly maxTimeoutMs?: number;
  readonly responseCompression?: ResponseCompression;
  /** @default all that is built in */
  readonly acceptCompression?: readonly Compression[];
  readonly tls?: TlsIdentity;
  readonly clock?: Clock;
}

/** A running server. */
export interface Served {
  readonly origin: string;
  /** How the calls ended, in that order. */
  readonly outcomes: Outcome[];
}

function pipelineOf(options: ServeOptions, outcomes: Outcome[]): OpenPipeline {
  const pipeline = new OpenPipeline(options.clock);
  pipeline.check = (call, request) => {
    call.onEnd((outcome) => outcomes.push(outcome));
    return options.check?.(call, request);
  };
  return pipeline;
}

/** Listens on a port of its own, and closes with the test. */
export async function listenOn(cleanup: Cleanup, server: Server, scheme = "http"): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  cleanup.add(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Serves the echo service by the wire under test. */
export async function serve(cleanup: Cleanup, options: ServeOptions = {}): Promise<Served> {
  const outcomes: Outcome[] = [];
  const {
    acceptCompression = messageCompressions,
    clock,
    responseCompression,
    interceptors,
    maxMessageBytes,
    maxTimeoutMs,
    tls,
  } = options;
  const dispatcher = createDispatcher({
    pipeline: pipelineOf(options, outcomes),
    acceptCompression,
    routes: (router) => router.service(EchoService, { ...echo, ...options.service }),
    ...(clock === undefined ? {} : { clock }),
    ...(interceptors === undefined ? {} : { interceptors }),
    ...(maxMessageBytes === undefined ? {} : { maxMessageBytes }),
    ...(maxTimeoutMs === undefined ? {} : { maxTimeoutMs }),
    ...(responseCompression === undefined ? {} : { responseCompression }),
  });
  const connection = { remoteAddress: "127.0.0.1", encrypted: false, httpVersion: "2", peer: undefined };
  const handle = createGrpcHandler(dispatcher, compressions);
  const accept = (socket: Socket): void => {
    connectionOver(
      socket,
      {
        onStream: (stream, fields) => handle(stream, fields, connection),
        onStreamClose() {},
        onSettings() {},
        onError() {},
        onGoaway() {},
        onClose() {},
      },
      {
        role: "server",
        maxStreams: 1_000,
        maxHeaderListBytes: 16_384,
        streamWindowBytes: 65_535,
        connectionWindowBytes: 1024 * 1024,
        settingsTimeoutMs: 10_000,
      },
    );
  };
  const server =
    tls === undefined
      ? createTcpServer(accept)
      : createTlsServer(
          { ...tls, ALPNProtocols: ["h2"], requestCert: true, rejectUnauthorized: true },
          accept,
        );
  return { origin: await listenOn(cleanup, server, tls === undefined ? "http" : "https"), outcomes };
}

/** Responds every request by hand, stream by stream. */
export async function serveRaw(
  cleanup: Cleanup,
  handle: (
    stream: ServerHttp2Stream,
    index: number,
    breakOff: () => void,
    headers: IncomingHttpHeaders,
  ) => void,
  settings: object = {},
): Promise<string> {
  const server: Http2Server = createServer({ settings });
  server.on("session", (session) => session.on("error", () => {}));
  let index = 0;
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    const breakOff = (): void => {
      for (const socket of sockets) socket.destroy();
    };
    handle(stream, index++, breakOff, headers);
  });
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  return listenOn(cleanup, server);
}

/** A client of the wire under test. */
export function open(
  cleanup: Cleanup,
  origin: string,
  options: Partial<PooledGrpcOptions> = {},
): { transport: PooledGrpcTransport; client: Client<typeof EchoService> } {
  const transport = openGrpcTransport({
    origin,
    protocol: "grpc",
    tls: undefined,
    useBinaryFormat: true,
    maxConnectionsPerEndpoint: 1,
    maxMessageBytes: 4 * 1024 * 1024,
    closeGraceMs: 0,
    ...options,
  });
  cleanup.add(() => transport.close());
  return { transport, client: createClient(EchoService, transport.transport) };
}

/** A bare HTTP/2 session, for requests that no client would make. */
export function session(cleanup: Cleanup, origin: string): ClientHttp2Session {
  const http2 = connect(origin);
  http2.on("error", () => {});
  cleanup.add(() => http2.destroy());
  return http2;
}

/** What came back on a bare stream. */
export interface RawAnswer {
  readonly headers: Record<string, unknown>;
  readonly trailers: Record<string, unknown>;
  readonly body: Uint8Array;
  readonly rstCode: number;
}

/** Makes a bare request; `body` is written as it is, and ended unless `open`. */
export function request(
  http2: ClientHttp2Session,
  headers: Record<string, string>,
  body: Uint8Array = frame(),
  options: { readonly open?: boolean } = {},
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const stream = http2.request({
      ":method": "POST",
      ":path": "/datapunk.mesh.test.v1.EchoService/Echo",
      "content-type": "application/grpc+proto",
      te: "trailers",
      ...headers,
    });
    const chunks: Uint8Array[] = [];
    let head: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    stream.on("response", (block) => {
      head = block;
    });
    stream.on("trailers", (block) => {
      trailers = block;
    });
    stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () => {
      const body = new Uint8Array(Buffer.concat(chunks));
      resolve({ headers: head, trailers, body, rstCode: stream.rstCode });
    });
    if (options.open === true) stream.write(body);
    else stream.end(body);
  });
}

/** Responses a raw stream as a well-behaved server would. */
export function answer(stream: ServerHttp2Stream, text: string): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(answerFrame(text));
}
