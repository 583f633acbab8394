import type { ConnectError } from "@connectrpc/connect";
import {
  createAsyncIterable,
  encodeEnvelope,
  mergeNonProtocolHeaders,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  contentTypeStreamJson,
  contentTypeStreamProto,
  contentTypeUnaryJson,
  endStreamFlag,
  endStreamToJson,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import {
  contentTypeJson as grpcJson,
  contentTypeProto as grpcProto,
  setTrailerStatus,
} from "@connectrpc/connect/protocol-grpc";
import {
  contentTypeJson as grpcWebJson,
  contentTypeProto as grpcWebProto,
  trailerFlag,
  trailerSerialize,
} from "@connectrpc/connect/protocol-grpc-web";
import type { RpcDialect } from "./rpc-dialect.ts";

/** The content type of a response in this dialect. */
function responseContentType(wire: RpcDialect): string {
  if (wire.protocol === "grpc") return wire.json ? grpcJson : grpcProto;
  if (wire.protocol === "grpc-web") return wire.json ? grpcWebJson : grpcWebProto;
  if (wire.enveloped) return wire.json ? contentTypeStreamJson : contentTypeStreamProto;
  return contentTypeUnaryJson;
}

/**
 * A whole response that says only what went wrong, for a request whose body was not read.
 *
 * gRPC's status goes into the trailers, not into the head: only a listener that ends the stream with its head may
 * put it there, and the common ones do not.
 */
export function rpcErrorResponse(wire: RpcDialect, error: ConnectError): UniversalServerResponse {
  const header = new Headers({ "content-type": responseContentType(wire) });
  if (wire.protocol === "grpc") {
    return { status: 200, header, trailer: setTrailerStatus(new Headers(), error) };
  }
  if (wire.protocol === "grpc-web") {
    return {
      status: 200,
      header: setTrailerStatus(header, error),
      body: createAsyncIterable<Uint8Array>([]),
    };
  }
  if (wire.enveloped) {
    const retryAfter = error.metadata.get("retry-after");
    if (retryAfter !== null) header.set("retry-after", retryAfter);
    return { status: 200, header, body: createAsyncIterable([endFrame(wire, error) as Uint8Array]) };
  }
  mergeNonProtocolHeaders(header, error.metadata);
  const body = errorToJsonBytes(error, undefined);
  header.set("content-type", contentTypeUnaryJson);
  header.set("content-length", String(body.byteLength));
  return { status: codeToHttpStatus(error.code), header, body: createAsyncIterable([body]) };
}

/**
 * The last bytes of a response whose head has gone already; undefined where the status goes elsewhere: into
 * the trailers (gRPC), or nowhere any more (Connect's unary calls).
 */
export function endFrame(wire: RpcDialect, error: ConnectError): Uint8Array | undefined {
  if (wire.protocol === "grpc-web") {
    return encodeEnvelope(trailerFlag, trailerSerialize(setTrailerStatus(new Headers(), error)));
  }
  if (wire.protocol !== "connect" || !wire.enveloped) return undefined;
  const end = endStreamToJson(new Headers(), error, undefined);
  return encodeEnvelope(endStreamFlag, new TextEncoder().encode(JSON.stringify(end)));
}
