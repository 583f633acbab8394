import { Code, ConnectError } from "@connectrpc/connect";
import type { Connection } from "../../core/connection.ts";
import { FieldSource, fieldOf } from "../../http/fields.ts";
import { h2 } from "../../http/http2/frame/frame-types.ts";
import type { Fields, Http2Stream } from "../../http/http2/streams/stream.ts";
import { formatOf, parseGrpcTimeout } from "../dialect/call-headers.ts";
import { codecsOf, type EncodeOptions, type MethodCodecs } from "../message/codec.ts";
import { acceptsEncoding, type Compression, compressionNamed } from "../message/compression.ts";
import { type RpcDispatcher, type RpcMethod, unknownOperation } from "./dispatcher.ts";
import { UnservedGrpcCall } from "./grpc-call.ts";
import { GrpcServerCall } from "./grpc-server-call.ts";
import { unservedError } from "./http-refusal.ts";
import { GrpcResponse } from "./response-trailers.ts";

/**
 * Serves one gRPC request that arrived on an HTTP/2 stream; call it at once when the headers arrive, for
 * requests whose content type is gRPC's (see {@link isGrpc}).
 */
export type GrpcHandler = (stream: Http2Stream, fields: Fields, connection: Connection) => void;

/** Whether a request is one for {@link GrpcHandler}: native gRPC, and not gRPC-Web. */
export function isGrpc(contentType: string | undefined): boolean {
  return formatOf(contentType) !== undefined;
}

/** What one method needs on every call, made once. */
interface MethodPlan {
  readonly codecs: MethodCodecs;
  /** How responses go out uncompressed. */
  readonly encode: EncodeOptions;
  /** The encodings that the method reads and writes. */
  readonly compressions: readonly Compression[];
}

/** Those of the method's options, by the platform's own means where it has them. */
function compressionsOf(method: RpcMethod, platform: readonly Compression[]): Compression[] {
  return method.options.acceptCompression.map((each) => compressionNamed(platform, each.name) ?? each);
}

function encodeOptions(method: RpcMethod, compression: Compression | undefined): EncodeOptions {
  const { compressMinBytes, writeMaxBytes } = method.options;
  return { compression, compressMinBytes, maxBytes: writeMaxBytes };
}

/** A response is compressed as the request was, if the client reads that; else, by option, as the client likes best. */
function responseCompression(
  method: RpcMethod,
  known: readonly Compression[],
  requested: Compression | undefined,
  accept: string | undefined,
): Compression | undefined {
  if (requested !== undefined && (accept === undefined || acceptsEncoding(accept, requested.name))) {
    return requested;
  }
  if (method.options.responseCompression === "requested") return undefined;
  for (const name of accept?.split(",") ?? []) {
    const compression = compressionNamed(known, name.trim());
    if (compression !== undefined) return compression;
  }
  return undefined;
}

/**
 * Makes the gRPC side of a listener, straight on HTTP/2 streams.
 *
 * @param platform - encodings that the platform has by itself
 */
export function createGrpcHandler(
  dispatcher: Pick<RpcDispatcher, "methods" | "lifecycle">,
  platform: readonly Compression[] = [],
): GrpcHandler {
  const { methods, lifecycle } = dispatcher;
  const plans = new Map<RpcMethod, MethodPlan>();

  function planOf(method: RpcMethod): MethodPlan {
    let plan = plans.get(method);
    if (plan === undefined) {
      plan = {
        codecs: codecsOf(method.method, method.options),
        encode: encodeOptions(method, undefined),
        compressions: compressionsOf(method, platform),
      };
      plans.set(method, plan);
    }
    return plan;
  }

  const serveGrpc: GrpcHandler = (stream, fields, connection) => {
    const format = formatOf(fieldOf(fields, "content-type"));
    if (format === undefined || fieldOf(fields, ":method") !== "POST") {
      refuse(stream, format === undefined ? 415 : 405);
      return;
    }
    const path = fieldOf(fields, ":path") ?? "";
    const response = new GrpcResponse(stream, format);
    const method = methods.get(path);
    const headers = new FieldSource(fields);
    if (method === undefined || !method.options.grpc) {
      const operation = method?.operation ?? unknownOperation;
      const init = {
        operation,
        headers,
        connection,
        lifecycle,
        response,
        timeoutMs: undefined,
        streaming: false,
      };
      new UnservedGrpcCall(init, unservedError(path, methods)).serve();
      return;
    }

    const { codecs, encode: plainEncode, compressions } = planOf(method);
    const timeout = fieldOf(fields, "grpc-timeout");
    const timeoutMs = timeout === undefined ? undefined : parseGrpcTimeout(timeout);
    const malformedTimeout = timeoutMs !== undefined && Number.isNaN(timeoutMs);
    const encoding = fieldOf(fields, "grpc-encoding");
    const compression = encoding === undefined ? undefined : compressionNamed(compressions, encoding);
    if (compression !== undefined || method.options.responseCompression === "accepted") {
      const accept = fieldOf(fields, "grpc-accept-encoding");
      response.compression = responseCompression(method, compressions, compression, accept);
    }

    const init = {
      lifecycle,
      response,
      operation: method.operation,
      headers,
      connection,
      timeoutMs: lifecycle.granted(malformedTimeout ? undefined : timeoutMs),
      streaming: method.spec.kind !== "unary",
      method,
      fields,
      format,
      codecs,
      encode: response.compression === undefined ? plainEncode : encodeOptions(method, response.compression),
      compression,
    };
    if (malformedTimeout) {
      new UnservedGrpcCall(init, invalidTimeout(timeout!)).serve();
      return;
    }
    if (encoding !== undefined && encoding !== "identity" && compression === undefined) {
      new UnservedGrpcCall(init, unknownEncoding(encoding, compressions)).serve();
      return;
    }
    const call = new GrpcServerCall(init);
    if (fieldOf(fields, "expect") !== undefined) stream.continue();
    call.serve();
  };

  return function handleGrpc(stream, fields, connection) {
    try {
      serveGrpc(stream, fields, connection);
    } catch (error) {
      // Whatever it is, it must not end the connection from within the reading of its frames.
      lifecycle.report(undefined, error);
      stream.close(h2.internalError);
    }
  };
}

function invalidTimeout(timeout: string): ConnectError {
  return new ConnectError(`protocol error: invalid grpc-timeout: ${timeout}`, Code.InvalidArgument);
}

function unknownEncoding(encoding: string, known: readonly Compression[]): ConnectError {
  const accepted = known.length === 0 ? "identity" : known.map(({ name }) => name).join(",");
  const error = new ConnectError(
    `unknown compression "${encoding}": supported encodings are ${accepted}`,
    Code.Unimplemented,
  );
  error.metadata.set("grpc-accept-encoding", accepted);
  return error;
}

function refuse(stream: Http2Stream, status: number): void {
  stream.letGoAtEnd = true;
  stream.respond([":status", String(status), ...(status === 405 ? ["allow", "POST"] : [])], true);
}
