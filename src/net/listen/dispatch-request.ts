import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import type { Connection } from "../../core/connection.ts";
import { isReported } from "../../core/reported.ts";
import type { HttpExchange } from "../../http/exchange.ts";
import { FieldSource, type Fields, fieldOf } from "../../http/fields.ts";
import type { Http1Exchange } from "../../http/http1/http1-exchange.ts";
import { Http2Exchange } from "../../http/http2/http2-exchange.ts";
import type { Http2Stream } from "../../http/http2/streams/stream.ts";
import { connectVersionHeader, dialectOf, isConnectUnary, isRpcOnly } from "../../rpc/dialect/rpc-dialect.ts";
import type { RpcDispatcher } from "../../rpc/server/dispatcher.ts";
import { refuseGrpc } from "../../rpc/server/fetch-dispatch.ts";
import { createGrpcHandler, isGrpc } from "../../rpc/server/grpc-handler.ts";
import { compressions } from "../compression.ts";
import type { ListenOptions } from "../port.ts";
import type { ConnectionRecord } from "./connections.ts";
import { respond, respondWithError } from "./respond.ts";
import { exchangeRpc } from "./universal-request.ts";

/** What responds to the requests of one port. */
export interface Application {
  readonly fetch: (request: Request, connection: Connection) => Response | Promise<Response>;
  /** Makes what `fetch` is given. */
  readonly requestOf: (exchange: HttpExchange) => Request;
  readonly rpc: RpcDispatcher | undefined;
  readonly clock: Clock;
  /** Told of what escaped from a handler, or could not be written; never throws. */
  readonly onHandlerError: (error: unknown) => void;
  /** Told of requests that are refused before anybody serves them. */
  readonly onRequestRefused: ListenOptions["onRequestRefused"];
}

function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query === -1 ? target : target.slice(0, query);
}

function respondByFetch(application: Application, exchange: HttpExchange): void {
  let response: Response | Promise<Response>;
  try {
    response = application.fetch(application.requestOf(exchange), exchange.connection);
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
function fail(application: Application, error: unknown, exchange: HttpExchange): void {
  // A client that left takes its request with it, and what that makes the handler throw.
  if (exchange.gone) return;
  if (!isReported(error)) application.onHandlerError(error);
  respondWithError(exchange);
}

/** Serves a request. @param ownHost - what a client means that names no host */
function serve(application: Application, exchange: HttpExchange, ownHost: () => string): void {
  const refusal = exchange.resolve(ownHost);
  if (refusal !== undefined) {
    application.onRequestRefused?.(exchange.connection.remoteAddress, exchange.method, refusal);
    exchange.refuse(refusal);
    return;
  }
  const { rpc, clock } = application;
  if (rpc === undefined) {
    respondByFetch(application, exchange);
    return;
  }
  const path = pathOf(exchange.target);
  const type = fieldOf(exchange.fields, "content-type");
  const handler =
    rpc.find(path) ?? (type !== undefined && isLostRpc(type, exchange) ? rpc.unknown : undefined);
  if (handler === undefined) respondByFetch(application, exchange);
  else if (exchange.httpVersion === "1.1" && dialectOf(type).protocol === "grpc") {
    const { connection } = exchange;
    const refused = { ...needsHttp2, headers: new FieldSource(exchange.fields), connection };
    respondByFetch({ ...application, fetch: () => refuseGrpc(rpc, path, refused) }, exchange);
  } else exchangeRpc(handler, exchange, clock).catch((error: unknown) => fail(application, error, exchange));
}

/** Whether a path that no method has was meant for one. */
function isLostRpc(type: string, { fields }: HttpExchange): boolean {
  return isRpcOnly(type) || (isConnectUnary(type) && fieldOf(fields, connectVersionHeader) !== undefined);
}

const needsHttp2 = {
  status: 505,
  reason: "gRPC needs HTTP/2; over HTTP/1.1 use Connect or gRPC-Web",
} as const;

/** What an HTTP/1.0 client, which need not name a host, must mean. */
function hostOf({ localAddress = "localhost", localPort = 80 }: Socket): string {
  const address = localAddress.replace(/^::ffff:(?=\d+\.)|%.*$/g, "");
  return `${address.includes(":") ? `[${address}]` : address}:${localPort}`;
}

/** Serves requests that arrive by HTTP/1.1. */
export function http1Handler(
  application: Application,
): (exchange: Http1Exchange, record: ConnectionRecord) => void {
  return (exchange, { socket }) => serve(application, exchange, () => hostOf(socket));
}

/** Serves requests that arrive by HTTP/2. */
export function http2Handler(
  application: Application,
): (stream: Http2Stream, fields: Fields, ended: boolean, record: ConnectionRecord) => void {
  const { rpc } = application;
  const grpc = rpc && createGrpcHandler(rpc, compressions);
  return (stream, fields, ended, { info }) => {
    if (grpc !== undefined && isGrpc(fieldOf(fields, "content-type"))) grpc(stream, fields, info);
    else serve(application, new Http2Exchange(stream, fields, ended, info), () => "localhost");
  };
}
