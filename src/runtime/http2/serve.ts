import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Connection } from "../../core/connection.ts";
import type { RpcDispatcher } from "../../rpc/dispatcher.ts";
import type { ConnectionRecord, Connections } from "./connections.ts";
import { createGrpcHandler, isGrpc } from "./grpc/handler.ts";
import { Incoming } from "./incoming.ts";
import { lightRequest } from "./light-request.ts";
import { respond, respondWithError } from "./respond.ts";
import { exchangeRpc } from "./rpc-exchange.ts";
import { Http1Sink, Http2Sink, type Sink } from "./sink.ts";
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

function answer(application: Application, incoming: Incoming, sink: Sink): void {
  let response: Response | Promise<Response>;
  try {
    response = application.fetch(lightRequest(incoming), incoming.connection);
    if (!(response instanceof Promise)) {
      respond(response, incoming, sink);
      return;
    }
  } catch (error) {
    fail(application, error, incoming, sink);
    return;
  }
  response
    .then((value) => {
      if (incoming.gone) value.body?.cancel().catch(() => {});
      else respond(value, incoming, sink);
    })
    .catch((error) => fail(application, error, incoming, sink));
}

/** A handler threw, or what it returned cannot be written. */
function fail(application: Application, error: unknown, incoming: Incoming, sink: Sink): void {
  // A client that left takes its request with it, and what that makes the handler throw.
  if (incoming.gone) return;
  application.onHandlerError?.(error);
  if (sink.headersSent) sink.abort();
  else respondWithError(sink);
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
    const connection = connections.of(request.socket);
    const host = headers.host ?? ownHost(request.socket);
    const url = urlFromTarget(connection.face.encrypted ? "https" : "http", host, target);
    if (url === undefined) {
      response.writeHead(400, { connection: "close", "content-length": 0 });
      response.end();
      return;
    }
    const withBody = method !== "GET" && method !== "HEAD" && hasBody(headers);
    const incoming = new Incoming(
      method,
      url,
      headers,
      withBody ? request : undefined,
      connection.face,
      "1.1",
    );
    connections.begin(connection);
    response.once("close", () => {
      incoming.closed(response.writableFinished);
      // What nobody read stands between this request and the next one on the connection.
      if (withBody && !request.readableEnded) request.removeAllListeners("data").resume();
      connections.end(connection);
    });
    const sink = new Http1Sink(response, connections);
    const handler = application.rpc?.find(pathOf(target));
    if (handler === undefined) answer(application, incoming, sink);
    else exchangeRpc(handler, incoming, sink, application.onHandlerError);
  };
}

/** How long a client may go on sending to a handler that has answered without reading everything. */
const lateMs = 500;

/**
 * Lets a client finish what it is sending: a reset at once, which the standard allows, makes some clients
 * lose the answer. One that does not come to an end is told to stop.
 */
function discardRest(stream: ServerHttp2Stream): void {
  stream.removeAllListeners("data").resume();
  const timer = setTimeout(() => stream.close(), lateMs);
  stream.once("end", () => clearTimeout(timer));
  stream.once("close", () => clearTimeout(timer));
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
    const connection = session === undefined ? undefined : connections.known(session);
    if (connection === undefined) {
      stream.close();
      return;
    }
    if (grpc !== undefined && isGrpc(headers["content-type"])) {
      connections.begin(connection);
      stream.once("close", () => connections.end(connection));
      grpc(stream, headers);
      return;
    }
    const method = headers[":method"] as string;
    const target = (headers[":path"] as string | undefined) ?? "";
    const authority = (headers[":authority"] as string | undefined) ?? headers.host ?? "localhost";
    const url = urlFromTarget(connection.face.encrypted ? "https" : "http", authority, target);
    if (url === undefined || method === "CONNECT") {
      stream.respond({ ":status": url === undefined ? 400 : 405 }, { endStream: true });
      return;
    }
    // Over HTTP/2 the authority is the host; handlers know it by its old name.
    headers.host ??= authority;
    const withBody =
      method !== "GET" && method !== "HEAD" && !stream.readableEnded && !stream.endAfterHeaders;
    const incoming = new Incoming(method, url, headers, withBody ? stream : undefined, connection.face, "2");
    if (!withBody) stream.resume();
    connections.begin(connection);
    stream.once("close", () => {
      // A reset by the client ends the writable side as if the answer had been complete.
      const reset = stream.aborted || stream.rstCode !== constants.NGHTTP2_NO_ERROR;
      // Not `writableFinished`: Node closes a stream before it says that the last bytes are written.
      incoming.closed(stream.writableEnded && !reset);
      connections.end(connection);
    });
    stream.once("finish", () => {
      if (withBody && !stream.readableEnded) discardRest(stream);
    });
    const sink = new Http2Sink(stream);
    const handler = rpc?.find(pathOf(target));
    if (handler === undefined) answer(application, incoming, sink);
    else exchangeRpc(handler, incoming, sink, application.onHandlerError);
  };
}
