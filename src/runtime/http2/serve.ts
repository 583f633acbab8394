import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Connection } from "../../core/connection.ts";
import type { RpcDispatcher } from "../../rpc/dispatcher.ts";
import type { Connections } from "./connections.ts";
import { createGrpcHandler, isGrpc } from "./grpc/handler.ts";
import { Incoming } from "./incoming.ts";
import { lightRequest } from "./light-request.ts";
import { respond, respondWithError, type Sink, sinkOfHttp1, sinkOfHttp2 } from "./respond.ts";
import { exchangeRpc, type TrailerSink } from "./rpc-exchange.ts";
import { urlFromTarget } from "./target.ts";

/** What answers the requests of one port. */
export interface Application {
  readonly fetch: (request: Request, connection: Connection) => Response | Promise<Response>;
  readonly rpc: RpcDispatcher | undefined;
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
  } catch {
    fail(incoming, sink);
    return;
  }
  response
    .then((value) => {
      if (incoming.gone) value.body?.cancel().catch(() => {});
      else respond(value, incoming, sink);
    })
    .catch(() => fail(incoming, sink));
}

/** A handler threw, or what it returned cannot be written. */
function fail(incoming: Incoming, sink: Sink): void {
  if (incoming.gone) return;
  const sent = (sink.writable as { headersSent?: boolean }).headersSent === true;
  if (sent) sink.abort();
  else respondWithError(sink);
}

function hasBody(headers: IncomingHttpHeaders): boolean {
  const length = headers["content-length"];
  return length === undefined ? headers["transfer-encoding"] !== undefined : length !== "0";
}

/** Makes the handler of HTTP/1.1 requests. */
export function http1Handler(
  application: Application,
  connections: Connections,
): (request: IncomingMessage, response: ServerResponse) => void {
  const closing = (): boolean => connections.draining;
  return (request, response) => {
    const { headers, method = "GET", url: target = "/" } = request;
    const connection = connections.of(request.socket);
    const local = (): string =>
      `${request.socket.localAddress ?? "localhost"}:${request.socket.localPort ?? 80}`;
    const url = urlFromTarget(connection.encrypted ? "https" : "http", headers.host ?? local(), target);
    if (url === undefined) {
      response.writeHead(400, { connection: "close", "content-length": 0 });
      response.end();
      return;
    }
    const withBody = method !== "GET" && method !== "HEAD" && hasBody(headers);
    const incoming = new Incoming(method, url, headers, withBody ? request : undefined, connection, "1.1");
    connections.begin(connection);
    response.once("close", () => {
      incoming.closed(response.writableFinished);
      connections.end(connection);
    });
    const sink = sinkOfHttp1(response, closing);
    const handler = application.rpc?.find(pathOf(target));
    if (handler === undefined) answer(application, incoming, sink);
    else exchangeRpc(handler, incoming, withoutTrailers(sink));
  };
}

/** gRPC does not run over HTTP/1.1; Connect and gRPC-Web put their trailers into the body. */
function withoutTrailers(sink: Sink): TrailerSink {
  return { ...sink, headWithTrailers: (status, headers) => sink.head(status, "", headers, false) };
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
      connectionOf: (stream) => connections.known(stream.session as ServerHttp2Session) as Connection,
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
    const url = urlFromTarget(connection.encrypted ? "https" : "http", authority, target);
    if (url === undefined || method === "CONNECT") {
      stream.respond({ ":status": url === undefined ? 400 : 405 }, { endStream: true });
      return;
    }
    // Over HTTP/2 the authority is the host; handlers know it by its old name.
    headers.host ??= authority;
    const withBody =
      method !== "GET" && method !== "HEAD" && !stream.readableEnded && !stream.endAfterHeaders;
    const incoming = new Incoming(method, url, headers, withBody ? stream : undefined, connection, "2");
    if (!withBody) stream.resume();
    connections.begin(connection);
    stream.once("close", () => {
      incoming.closed(stream.writableFinished);
      connections.end(connection);
    });
    // Whoever answers without reading the whole request lets the client know that it can stop sending.
    stream.once("finish", () => {
      if (!stream.readableEnded) setImmediate(() => stream.close());
    });
    const sink = sinkOfHttp2(stream);
    const handler = rpc?.find(pathOf(target));
    if (handler === undefined) answer(application, incoming, sink);
    else exchangeRpc(handler, incoming, withTrailers(sink, stream));
  };
}

function withTrailers(sink: Sink, stream: ServerHttp2Stream): TrailerSink {
  return {
    ...sink,
    headWithTrailers(status, headers, trailers) {
      headers[":status"] = status;
      stream.once("wantTrailers", () => stream.sendTrailers(trailers()));
      stream.respond(headers, { waitForTrailers: true });
    },
  };
}
