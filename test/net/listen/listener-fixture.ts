import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  type SecureClientSessionOptions,
} from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { runtime } from "#runtime";
import type { Listener, ListenOptions } from "../../../src/net/port.ts";
import { createDispatcher } from "../../../src/rpc/server/create-dispatcher.ts";
import type { Cleanup } from "../../rpc/client/grpc-checks.ts";
import { echoRoutes, OpenPipeline } from "../../rpc/echo.ts";

/** Fails instead of hanging when `promise` does not settle: a bound, not a measurement. */
export async function within<T>(promise: Promise<T>, what: string, ms = 15_000): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${ms} ms in vain for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** A promise and its ends. */
export function signal<T = void>(): { readonly promise: Promise<T>; fire(value: T): void } {
  const { promise, resolve } = Promise.withResolvers<T>();
  return { promise, fire: resolve };
}

/** A listener under test. */
export interface TestServer {
  readonly listener: Listener;
  readonly port: number;
  readonly grpcPort: number;
  readonly pipeline: OpenPipeline;
  /** What was told of connections, and a promise of the next one. */
  readonly errors: { readonly kind: string; readonly error: unknown }[];
  /** What escaped from handlers. */
  readonly handlerErrors: unknown[];
  nextError(): Promise<{ readonly kind: string; readonly error: unknown }>;
}

/** Listens on the loopback interface, with the EchoService and the given fetch handler. */
export async function serve(
  cleanup: Cleanup,
  fetch: ListenOptions["fetch"],
  overrides: Partial<ListenOptions> = {},
): Promise<TestServer> {
  const pipeline = new OpenPipeline();
  const errors: { kind: string; error: unknown }[] = [];
  const handlerErrors: unknown[] = [];
  let told: ((error: { kind: string; error: unknown }) => void)[] = [];
  const listener = await runtime.listen({
    hostname: "127.0.0.1",
    ports: { all: 0 },
    tls: undefined,
    fetch,
    rpc: createDispatcher({ pipeline, routes: echoRoutes }),
    onConnectionError(kind, error) {
      errors.push({ kind, error });
      for (const tell of told.splice(0)) tell({ kind, error });
    },
    onHandlerError: (error) => handlerErrors.push(error),
    ...overrides,
  });
  cleanup.add(() => listener.destroy());
  return {
    listener,
    port: listener.ports.rest,
    grpcPort: listener.ports.grpc,
    pipeline,
    errors,
    handlerErrors,
    nextError() {
      const first = errors[0];
      if (first !== undefined) return Promise.resolve(first);
      return within(
        new Promise((resolve) => {
          told = [...told, resolve];
        }),
        "an error of a connection",
      );
    },
  };
}

/** A response, read to its end. */
export interface RawResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One HTTP/1.1 request through `node:http`. */
export function http1(
  port: number,
  options: RequestOptions & { readonly body?: string } = {},
): Promise<RawResponse> {
  const { body, ...rest } = options;
  const answer = new Promise<RawResponse>((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, agent: false, ...rest }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
  return within(answer, "an HTTP/1.1 response");
}

/** An HTTP/2 session that is closed with the test. */
export function openHttp2(
  cleanup: Cleanup,
  origin: string,
  options: SecureClientSessionOptions = {},
): ClientHttp2Session {
  const session = connectHttp2(origin, options);
  // Some tests break it; the streams tell.
  session.on("error", () => {});
  cleanup.add(() => session.destroy());
  return session;
}

/**
 * How connect-node's transports, foreign clients here, reach a server by HTTP/2. The session ends with the test, and
 * before the server: Deno's own HTTP/2 client crashes when a server says goodbye to a session that is idle.
 */
export function foreignSession(
  cleanup: Cleanup,
  baseUrl: string,
  options: SecureClientSessionOptions = {},
): { readonly baseUrl: string; readonly httpVersion: "2"; readonly sessionManager: Http2SessionManager } {
  const sessionManager = new Http2SessionManager(baseUrl, undefined, options);
  cleanup.add(() => sessionManager.abort());
  return { baseUrl, httpVersion: "2", sessionManager };
}

/** One request on an HTTP/2 session. */
export function http2(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body?: string,
): Promise<RawResponse> {
  const answer = new Promise<RawResponse>((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    let text = "";
    let head: IncomingHttpHeaders & { ":status"?: number | undefined } = {};
    stream.setEncoding("utf8");
    stream.on("response", (received) => {
      head = received;
    });
    stream.on("data", (chunk: string) => {
      text += chunk;
    });
    stream.on("end", () => {
      if (head[":status"] !== undefined) resolve({ status: head[":status"], headers: head, text });
    });
    stream.on("error", reject);
    stream.on("close", () => reject(new Error("The stream closed without a response")));
    if (body !== undefined) stream.end(body);
  });
  return within(answer, "an HTTP/2 response");
}

/** A plain TCP connection. */
export async function openTcp(cleanup: Cleanup, port: number, host = "127.0.0.1"): Promise<Socket> {
  const socket = connectTcp(port, host);
  cleanup.add(() => socket.destroy());
  socket.on("error", () => {});
  await within(new Promise<void>((resolve) => socket.once("connect", resolve)), "a TCP connection");
  return socket;
}

/** Everything the other side says until it closes. */
export function untilClosed(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  return within(
    new Promise((resolve) => socket.once("close", () => resolve(text))),
    "the end of a connection",
  );
}

/** Sends bytes and collects what comes back until the other side closes. */
export async function raw(
  cleanup: Cleanup,
  port: number,
  bytes: string | Uint8Array,
  host?: string,
): Promise<string> {
  const socket = await openTcp(cleanup, port, host);
  const text = untilClosed(socket);
  socket.write(bytes);
  return text;
}

/** Status code of a raw HTTP/1.1 response. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}

/** In-flight requests, once those that just ended are counted off. */
export async function settled(of: TestServer): Promise<number> {
  for (let turn = 0; turn < 2_000 && of.listener.inFlight > 0; turn++)
    await http1(of.port, { path: "/ping" });
  return of.listener.inFlight;
}
