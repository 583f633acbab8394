import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { Connection } from "../../core/connection.ts";
import { isReported } from "../../core/reported.ts";
import type { Http1Stream } from "../../http/http1/http1-stream.ts";
import { fieldOf } from "../../http/http2/frame/header-rules.ts";
import type { Fields, Http2Stream } from "../../http/http2/streams/stream.ts";
import { dialectOf, isRpcOnly } from "../../rpc/dialect/rpc-dialect.ts";
import type { RpcDispatcher } from "../../rpc/server/dispatcher.ts";
import { refuseGrpc } from "../../rpc/server/fetch-dispatch.ts";
import { createGrpcHandler, isGrpc } from "../../rpc/server/grpc-handler.ts";
import { lightRequest } from "../fetch/light-request.ts";
import type { ConnectionRecord } from "./connections.ts";
import type { Exchange } from "./exchange.ts";
import { Http1Exchange } from "./http1-exchange.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import { incomingHeaders } from "./incoming-headers.ts";
import { resourceOf } from "./request-target.ts";
import { respond, respondWithError } from "./respond.ts";
import { exchangeRpc } from "./universal-request.ts";

/** What answers the requests of one port. */
export interface Application {
  readonly fetch: (request: Request, connection: Connection) => Response | Promise<Response>;
  readonly rpc: RpcDispatcher | undefined;
  /** Told of what escaped from a handler, or could not be written; never throws. */
  readonly onHandlerError: (error: unknown) => void;
}

function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query === -1 ? target : target.slice(0, query);
}

function respondByFetch(application: Application, exchange: Exchange): void {
  let response: Response | Promise<Response>;
  try {
    response = application.fetch(lightRequest(exchange), exchange.connection);
    if (!(response instanceof Promise)) {
      respond(response, exchange)?.catch((error: unknown) => fail(application, error, exchange));
      return;
    }
  } catch (error) {
    fail(application, error, exchange);
    return;
  }
  response
    .then((value) => {
      if (!exchange.gone) return respond(value, exchange);
      value.body?.cancel().catch(() => {});
      return undefined;
    })
    .catch((error: unknown) => fail(application, error, exchange));
}

/** A handler failed, or what it returned cannot be written. */
function fail(application: Application, error: unknown, exchange: Exchange): void {
  // A client that left takes its request with it, and what that makes the handler throw.
  if (exchange.gone) return;
  if (!isReported(error)) application.onHandlerError(error);
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
    respondByFetch(application, exchange);
    return;
  }
  const path = pathOf(target);
  const type = headers["content-type"];
  const handler = rpc.find(path) ?? (isRpcOnly(type) ? rpc.unknown : undefined);
  if (handler === undefined) respondByFetch(application, exchange);
  else if (exchange.httpVersion === "1.1" && dialectOf(type).protocol === "grpc") {
    const refusal = { ...needsHttp2, headers: exchange.headers, connection: exchange.connection };
    respondByFetch({ ...application, fetch: () => refuseGrpc(rpc, path, refusal) }, exchange);
  } else exchangeRpc(handler, exchange).catch((error: unknown) => fail(application, error, exchange));
}

const needsHttp2 = {
  status: 505,
  reason: "gRPC needs HTTP/2; over HTTP/1.1 use Connect or gRPC-Web",
} as const;

/** What an HTTP/1.0 client, which need not name a host, must mean. */
function ownHost({ localAddress = "localhost", localPort = 80 }: Socket): string {
  const address = localAddress.replace(/^::ffff:(?=\d+\.)|%.*$/g, "");
  return `${address.includes(":") ? `[${address}]` : address}:${localPort}`;
}

/** Whether a request of this method may have a body that a handler sees; what comes all the same is passed over. */
function mayHaveBody(method: string): boolean {
  return method !== "GET" && method !== "HEAD";
}

/** Makes the handler of HTTP/1.1 requests. */
export function http1Handler(
  application: Application,
): (stream: Http1Stream, record: ConnectionRecord, onOver: () => void) => void {
  return (stream, record, onOver) => {
    const { method, target, fields } = stream.head;
    const headers = incomingHeaders(fields);
    const connection = record.info;
    const given = stream.head.host ?? ownHost(record.socket);
    const resource = resourceOf(connection.encrypted ? "https" : "http", given, target, method);
    if (typeof resource === "number") {
      stream.handler = { onDrain() {}, onClose: onOver };
      stream.endsConnection();
      stream.respond(resource, "", { "content-length": 0 }, undefined, true);
      return;
    }
    headers.host = resource.host;
    const body = mayHaveBody(method) ? stream.body : undefined;
    if (body === undefined) stream.body?.discard();
    const init = { method, url: resource.url, headers, body, connection, httpVersion: "1.1" } as const;
    dispatch(application, resource.target, headers, new Http1Exchange(stream, init, onOver));
  };
}

/** Makes the handler of requests that arrive by HTTP/2. */
export function http2Handler(
  application: Application,
): (stream: Http2Stream, fields: Fields, ended: boolean, record: ConnectionRecord) => void {
  const { rpc } = application;
  const grpc = rpc && createGrpcHandler(rpc);
  return (stream, fields, ended, record) => {
    const connection = record.info;
    if (grpc !== undefined && isGrpc(fieldOf(fields, "content-type"))) {
      grpc(stream, fields, connection);
      return;
    }
    const headers = incomingHeaders(fields);
    const method = fieldOf(fields, ":method") ?? "";
    const target = fieldOf(fields, ":path") ?? "";
    const authority = fieldOf(fields, ":authority") ?? headers.host ?? "localhost";
    const resource = resourceOf(connection.encrypted ? "https" : "http", authority, target, method);
    if (typeof resource === "number") {
      stream.letGoAtEnd = true;
      stream.respond([":status", String(resource)], true);
      return;
    }
    // Over HTTP/2 the authority is the host; handlers know it by its old name.
    headers.host = resource.host;
    const init = { method, url: resource.url, headers, connection };
    dispatch(application, resource.target, headers, new Http2Exchange(stream, ended, init));
  };
}
