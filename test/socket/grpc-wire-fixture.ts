import {
  type ClientHttp2Session,
  connect,
  createSecureServer,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Client, createClient, type Interceptor, type ServiceImpl } from "@connectrpc/connect";
import { Call } from "../../src/core/call.ts";
import type { Clock } from "../../src/core/clock.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { TlsIdentity } from "../../src/core/identity.ts";
import type { Outcome } from "../../src/core/outcome.ts";
import { createDispatcher } from "../../src/rpc/dispatch.ts";
import { createGrpcLeaf, type GrpcLeaf } from "../../src/runtime/http2/grpc/client.ts";
import type { GrpcLeafOptions } from "../../src/runtime/http2/grpc/client-config.ts";
import { createGrpcHandler } from "../../src/runtime/http2/grpc/handler.ts";
import type { Admission, Arrival } from "../../src/server/admission.ts";
import {
  type EchoRequest,
  EchoRequestSchema,
  EchoResponseSchema,
  EchoService,
} from "../gen/test/v1/echo_pb.ts";

/** What a test may have to close, newest first. */
export class Cleanup {
  readonly #tasks: (() => unknown)[] = [];

  add(task: () => unknown): void {
    this.#tasks.unshift(task);
  }

  async run(): Promise<void> {
    for (const task of this.#tasks.splice(0)) await task();
  }
}

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
  readonly admit?: (call: Call, arrival: Arrival) => void | Promise<void>;
  readonly interceptors?: readonly Interceptor[];
  readonly maxMessageBytes?: number;
  readonly tls?: TlsIdentity;
  readonly clock?: Clock;
  /** Sees every stream before the handler does. */
  readonly onStream?: (stream: ServerHttp2Stream) => void;
}

/** A running server. */
export interface Served {
  readonly origin: string;
  readonly server: Http2Server;
  /** How the calls ended, in that order. */
  readonly outcomes: Outcome[];
}

function admissionOf(options: ServeOptions, outcomes: Outcome[]): Admission {
  const { clock = systemClock } = options;
  return {
    open(arrival) {
      const deadline = arrival.timeoutMs === undefined ? Infinity : clock.now() + arrival.timeoutMs;
      const call = new Call({
        side: "server",
        protocol: arrival.protocol,
        service: "test",
        operation: arrival.operation,
        deadline,
      });
      call.onEnd((outcome) => outcomes.push(outcome));
      return call;
    },
    admit: (call, arrival) => options.admit?.(call, arrival),
  };
}

/** Listens on a port of its own, and closes with the test. */
export async function listenOn(cleanup: Cleanup, server: Http2Server, secure = false): Promise<string> {
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.on("close", () => sessions.delete(session));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  cleanup.add(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return `${secure ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Serves the echo service by the wire under test. */
export async function serve(cleanup: Cleanup, options: ServeOptions = {}): Promise<Served> {
  const outcomes: Outcome[] = [];
  const { clock, interceptors, maxMessageBytes, tls } = options;
  const dispatcher = createDispatcher({
    admission: admissionOf(options, outcomes),
    routes: (router) => router.service(EchoService, { ...echo, ...options.service }),
    ...(clock === undefined ? {} : { clock }),
    ...(interceptors === undefined ? {} : { interceptors }),
    ...(maxMessageBytes === undefined ? {} : { maxMessageBytes }),
  });
  const connection = { remoteAddress: "127.0.0.1", encrypted: false, httpVersion: "2", peer: undefined };
  const handle = createGrpcHandler({ dispatcher, connectionOf: () => connection });
  const server =
    tls === undefined
      ? createServer()
      : (createSecureServer({
          ...tls,
          requestCert: true,
          rejectUnauthorized: true,
        }) as unknown as Http2Server);
  server.on("stream", (stream, headers) => {
    options.onStream?.(stream);
    handle(stream, headers);
  });
  return { origin: await listenOn(cleanup, server, tls !== undefined), server, outcomes };
}

/** Answers every request by hand, stream by stream. */
export async function serveRaw(
  cleanup: Cleanup,
  handle: (stream: ServerHttp2Stream, index: number) => void,
  settings: object = {},
): Promise<string> {
  const server = createServer({ settings });
  let index = 0;
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    handle(stream, index++);
  });
  return listenOn(cleanup, server);
}

/** Types of HTTP/2 frames. */
export const frameTypes = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;

/** Writes one HTTP/2 frame. */
export type WriteFrame = (type: number, flags: number, streamId: number, payload?: Uint8Array) => void;

/**
 * Speaks HTTP/2 frame by frame, for what a runtime's own server cannot be brought to send. It knows the
 * preface and the settings, and leaves everything else to `onFrame`.
 */
export async function serveFrames(
  cleanup: Cleanup,
  onFrame: (type: number, streamId: number, write: WriteFrame) => void,
): Promise<string> {
  const prefaceBytes = 24;
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    cleanup.add(() => socket.destroy());
    const write: WriteFrame = (type, flags, streamId, payload = new Uint8Array(0)) => {
      const head = Buffer.alloc(9);
      head.writeUIntBE(payload.length, 0, 3);
      head.writeUInt8(type, 3);
      head.writeUInt8(flags, 4);
      head.writeUInt32BE(streamId, 5);
      socket.write(Buffer.concat([head, payload]));
    };
    write(frameTypes.settings, 0, 0);
    let buffered = Buffer.alloc(0);
    let greeted = false;
    socket.on("data", (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      if (!greeted && buffered.length >= prefaceBytes) {
        greeted = true;
        buffered = buffered.subarray(prefaceBytes);
      }
      while (greeted && buffered.length >= 9) {
        const end = 9 + buffered.readUIntBE(0, 3);
        if (buffered.length < end) return;
        const [type, flags, streamId] = [buffered[3]!, buffered[4]!, buffered.readUInt32BE(5)];
        buffered = buffered.subarray(end);
        if (type !== frameTypes.settings) onFrame(type, streamId, write);
        else if (flags === 0) write(frameTypes.settings, 1, 0);
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  cleanup.add(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Numbers of four bytes each, one after the other. */
export function words(...numbers: number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, number] of numbers.entries()) view.setUint32(index * 4, number);
  return bytes;
}

/** A client of the wire under test. */
export function open(
  cleanup: Cleanup,
  origin: string,
  options: Partial<GrpcLeafOptions> = {},
): { leaf: GrpcLeaf; client: Client<typeof EchoService> } {
  const leaf = createGrpcLeaf({
    origin,
    protocol: "grpc",
    tls: undefined,
    useBinaryFormat: true,
    maxConnectionsPerEndpoint: 1,
    maxMessageBytes: 4 * 1024 * 1024,
    closeGraceMs: 0,
    ...options,
  });
  cleanup.add(() => leaf.close());
  return { leaf, client: createClient(EchoService, leaf.transport) };
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

/** A request message with its prefix. */
export function frame(message: Partial<EchoRequest> = { text: "hello" }, flags = 0): Uint8Array {
  return framed(toBinary(EchoRequestSchema, create(EchoRequestSchema, message as never)), flags);
}

/** A response message with its prefix. */
export function answerFrame(text: string): Uint8Array {
  return framed(toBinary(EchoResponseSchema, create(EchoResponseSchema, { text })), 0);
}

/** Any bytes with a prefix before them. */
export function framed(bytes: Uint8Array, flags: number, length: number = bytes.length): Uint8Array {
  const result = new Uint8Array(5 + bytes.length);
  result[0] = flags;
  new DataView(result.buffer).setUint32(1, length);
  result.set(bytes, 5);
  return result;
}

/** Answers a raw stream as a well-behaved server would. */
export function answer(stream: ServerHttp2Stream, text: string): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(answerFrame(text));
}

/** A promise and the way to settle it. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
