import { Code, ConnectError } from "@connectrpc/connect";
import { fieldOf } from "../../http/fields.ts";
import { h2 } from "../../http/http2/frame/frame-types.ts";
import type { Fields, Http2Stream } from "../../http/http2/streams/stream.ts";
import { withHttpStatus } from "../client/http-status.ts";
import { acceptsEncoding, type Compression, compressionNamed } from "../message/compression.ts";
import { codeFromHttpStatus, formatOf } from "./call-headers.ts";
import { errorFromStatus } from "./grpc-status.ts";
import { headersFromFields } from "./header-metadata.ts";
import { errorFromReset } from "./transport-faults.ts";

/** Gives an error the fields of trailers and headers as metadata. */
function withMetadata(error: ConnectError, ...lists: readonly (Fields | undefined)[]): ConnectError {
  for (const fields of lists) {
    if (fields === undefined) continue;
    headersFromFields(fields).forEach((value, name) => {
      error.metadata.append(name, value);
    });
  }
  // Tells Connect's handlers not to pass the metadata of somebody else's response on to their own client.
  error.isWireError = true;
  return error;
}

/** What a client asked for. */
export interface Expected {
  readonly format: "proto" | "json";
  /** What `grpc-accept-encoding` said; empty when it was not there. */
  readonly acceptEncoding: string;
  /** Encodings that the platform has. */
  readonly compressions: readonly Compression[];
}

/**
 * Checks the headers of a response, and finds the encoding of its messages.
 *
 * @throws ConnectError for a response that is not gRPC, or in an encoding nobody asked for
 */
export function checkResponse(fields: Fields, expected: Expected): Compression | undefined {
  const status = Number(fieldOf(fields, ":status"));
  if (status !== 200) throw errorOfHttpStatus(fields, status);
  const contentType = fieldOf(fields, "content-type");
  const format = formatOf(contentType);
  if (format !== undefined && format !== expected.format) {
    throw withMetadata(new ConnectError(`unexpected content type ${contentType}`, Code.Internal), fields);
  }
  if (format === undefined) {
    throw withMetadata(
      new ConnectError(`unsupported content type ${contentType ?? ""}`, Code.Unknown),
      fields,
    );
  }
  const encoding = fieldOf(fields, "grpc-encoding");
  if (encoding === undefined || encoding === "identity") return undefined;
  const compression = compressionNamed(expected.compressions, encoding);
  if (compression === undefined || !acceptsEncoding(expected.acceptEncoding, compression.name)) {
    throw withMetadata(
      new ConnectError(`unsupported response encoding "${encoding}"`, Code.Internal),
      fields,
    );
  }
  return compression;
}

/**
 * The error of a response that is no HTTP 200. Proxies and some servers state a gRPC status beside it, and it says more:
 * the HTTP status is for responses without one, and for those that claim success in spite of it.
 */
function errorOfHttpStatus(fields: Fields, status: number): ConnectError {
  const stated = fieldOf(fields, "grpc-status");
  const error = stated === undefined ? undefined : errorFromStatus(fields, stated);
  if (error !== undefined) return withMetadata(error, fields);
  const mapped = new ConnectError(`HTTP ${status}`, codeFromHttpStatus(status));
  return withHttpStatus(withMetadata(mapped, fields), status);
}

/** What of a response's body has arrived. */
export interface BodyState {
  /** Whether anything arrived at all. */
  readonly started: boolean;
  /** Whether everything that arrived was whole messages. */
  readonly atBoundary: boolean;
}

/**
 * The error that the trailers of a response state; undefined when the call succeeded.
 *
 * A status among the headers counts only in a trailers-only response: one with neither body nor trailers.
 * Without a status, an end between two messages is the server's fault, and one inside of a message the network's.
 */
export function errorOfEnd(
  headers: Fields,
  trailers: Fields | undefined,
  body: BodyState,
): ConnectError | undefined {
  const stating = trailers ?? (body.started ? undefined : headers);
  const status = stating === undefined ? undefined : fieldOf(stating, "grpc-status");
  if (stating === undefined || status === undefined) {
    if (!body.atBoundary) return errorFromReset(h2.noError);
    return withMetadata(new ConnectError("protocol error: missing status", Code.Internal), trailers, headers);
  }
  if (status !== "0") {
    const error = errorFromStatus(stating, status);
    if (error !== undefined) return withMetadata(error, trailers, headers);
  }
  return body.atBoundary
    ? undefined
    : new ConnectError("protocol error: the response ended in the middle of a message", Code.Internal);
}

/**
 * Whether a stream that was reset before its regular end ends by what had arrived: the headers state the
 * status already, or the server says that nothing is wrong.
 */
export function endsWell(stream: Http2Stream, headers: Fields | undefined): boolean {
  if (headers === undefined) return false;
  if (fieldOf(headers, "grpc-status") !== undefined) return true;
  return stream.closeReason === "peer-reset" && stream.rstCode === h2.noError;
}
