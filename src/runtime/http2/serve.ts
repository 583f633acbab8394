import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Connection } from "../../core/connection.ts";
import type { RpcDispatcher } from "../../rpc/dispatcher.ts";
import { refuseGrpc } from "../../rpc/fetch-dispatch.ts";
import { isRpcOnly, wireOf } from "../../rpc/wire.ts";
import type { ConnectionRecord, Connections } from "./connections.ts";
import type { Exchange } from "./exchange.ts";
import { createGrpcHandler, isGrpc } from "./grpc/handler.ts";
import { Http1Exchange } from "./http1-exchange.ts";
import { Http2Exchange, incomingFrom } from "./http2-exchange.ts";
import { lightRequest } from "./light-request.ts";
import { respond, respondWithError } from "./respond.ts";
import { exchangeRpc } from "./rpc-exchange.ts";
import { urlFromTarget } from "./target.ts";
import { fieldOf } from "./wire/header-rules.ts";
import type { Fields, Http2Stream } from "./wire/stream.ts";

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

function dispatch(
  application: Application,
  target: string,
  headers: IncomingHttpHeaders,
  exchange: Exchange,
): void {
  const { rpc } = application;
  if (rpc === undefined) {
    answer(application, exchange);
    return;
  }
  const path = pathOf(target);
  const type = headers["content-type"];
  const handler = rpc.find(path) ?? (isRpcOnly(type) ? rpc.unknown : undefined);
  if (handler === undefined) answer(application, exchange);
  else if (exchange.httpVersion === "1.1" && wireOf(type).protocol === "grpc") {
    respond(
      refuseGrpc(rpc, path, { ...needsHttp2, headers: exchange.headers, connection: exchange.connection }),
      exchange,
    );
  } else exchangeRpc(handler, exchange, application.onHandlerError).catch(() => exchange.abort());
}

const needsHttp2 = {
  status: 505,
  reason: "gRPC needs HTTP/2; over HTTP/1.1 use Connect or gRPC-Web",
} as const;

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
    dispatch(application, target, headers, exchange);
  };
}

/** Makes the handler of requests that arrive by HTTP/2. */
export function http2Handler(
  application: Application,
): (stream: Http2Stream, fields: Fields, ended: boolean, record: ConnectionRecord) => void {
  const { rpc } = application;
  const grpc = rpc && createGrpcHandler(rpc);
  return (stream, fields, ended, record) => {
    if (grpc !== undefined && isGrpc(fieldOf(fields, "content-type"))) {
      grpc(stream, fields, record.face);
      return;
    }
    const headers = incomingFrom(fields);
    const method = fieldOf(fields, ":method") ?? "";
    const target = fieldOf(fields, ":path") ?? "";
    const authority = fieldOf(fields, ":authority") ?? headers.host ?? "localhost";
    const url = urlFromTarget(record.face.encrypted ? "https" : "http", authority, target);
    if (url === undefined || method === "CONNECT") {
      stream.letGoAtEnd = true;
      stream.respond([":status", url === undefined ? "400" : "405"], true);
      return;
    }
    // Over HTTP/2 the authority is the host; handlers know it by its old name.
    headers.host = authority;
    const exchange = new Http2Exchange(stream, headers, { method, url, ended, connection: record.face });
    dispatch(application, target, headers, exchange);
  };
}
