import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Connection } from "../../core/connection.ts";
import type { RpcDispatcher } from "../../rpc/dispatcher.ts";
import type { ConnectionRecord, Connections } from "./connections.ts";
import type { Exchange } from "./exchange.ts";
import { createGrpcHandler, isGrpc } from "./grpc/handler.ts";
import { Http1Exchange } from "./http1-exchange.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import { lightRequest } from "./light-request.ts";
import { respond, respondWithError } from "./respond.ts";
import { exchangeRpc } from "./rpc-exchange.ts";
import { urlFromTarget } from "./target.ts";

/** What answers the requests of one port. */
export interface Application {
  readonly fetch: (request: Request, connection: Connection) => Response | Promise<Response>;
  readonly rpc: RpcDispatcher | undefined;
  readonly onHandlerError?: ((error: unknown) => void) | undefined;
}

function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query === -1 ? target : target.slice(0, query);
}

function answer(application: Application, exchange: Exchange): void {
  let response: Response | Promise<Response>;
  try {
    response = application.fetch(lightRequest(exchange), exchange.connection);
    if (!(response instanceof Promise)) {
      respond(response, exchange);
      return;
    }
  } catch (error) {
    fail(application, error, exchange);
    return;
  }
  response
    .then((value) => {
      if (exchange.gone) value.body?.cancel().catch(() => {});
      else respond(value, exchange);
    })
    .catch((error) => fail(application, error, exchange));
}

/** A handler threw, or what it returned cannot be written. */
function fail(application: Application, error: unknown, exchange: Exchange): void {
  // A client that left takes its request with it, and what that makes the handler throw.
  if (exchange.gone || exchange.writable.destroyed) return;
  application.onHandlerError?.(error);
  respondWithError(exchange);
}

function dispatch(application: Application, target: string, exchange: Exchange): void {
  const handler = application.rpc?.find(pathOf(target));
  if (handler === undefined) answer(application, exchange);
  else exchangeRpc(handler, exchange, application.onHandlerError);
}

function hasBody(headers: IncomingHttpHeaders): boolean {
  const length = headers["content-length"];
  return length === undefined ? headers["transfer-encoding"] !== undefined : length !== "0";
}

/** What an HTTP/1.0 client, which need not name a host, must mean. */
function ownHost(socket: Socket): string {
  return `${socket.localAddress ?? "localhost"}:${socket.localPort ?? 80}`;
}

/** Makes the handler of HTTP/1.1 requests. */
export function http1Handler(
  application: Application,
  connections: Connections,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { headers, method = "GET", url: target = "/" } = request;
    const record = connections.of(request.socket);
    const host = headers.host ?? ownHost(request.socket);
    const url = urlFromTarget(record.face.encrypted ? "https" : "http", host, target);
    if (url === undefined) {
      response.writeHead(400, { connection: "close", "content-length": 0 });
      response.end();
      return;
    }
    const withBody = method !== "GET" && method !== "HEAD" && hasBody(headers);
    const exchange = new Http1Exchange(request, response, url, withBody, record, connections);
    dispatch(application, target, exchange);
  };
}

/** Makes the handler of HTTP/2 streams. */
export function http2Handler(
  application: Application,
  connections: Connections,
): (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void {
  const { rpc } = application;
  const grpc =
    rpc &&
    createGrpcHandler({
      dispatcher: rpc,
      connectionOf: (stream) =>
        (connections.known(stream.session as ServerHttp2Session) as ConnectionRecord).face,
    });
  return (stream, headers) => {
    // A stream that the client resets raises an error, which would end the process if nobody listened.
    stream.on("error", () => {});
    const session = stream.session as ServerHttp2Session | undefined;
    const record = session === undefined ? undefined : connections.known(session);
    if (record === undefined) {
      stream.close();
      return;
    }
    if (grpc !== undefined && isGrpc(headers["content-type"])) {
      connections.begin(record);
      stream.once("close", () => connections.end(record));
      grpc(stream, headers);
      return;
    }
    const method = headers[":method"] as string;
    const target = (headers[":path"] as string | undefined) ?? "";
    const authority = (headers[":authority"] as string | undefined) ?? headers.host ?? "localhost";
    const url = urlFromTarget(record.face.encrypted ? "https" : "http", authority, target);
    if (url === undefined || method === "CONNECT") {
      stream.respond({ ":status": url === undefined ? 400 : 405 }, { endStream: true });
      return;
    }
    // Over HTTP/2 the authority is the host; handlers know it by its old name.
    headers.host ??= authority;
    dispatch(application, target, new Http2Exchange(stream, headers, { method, url, record, connections }));
  };
}
