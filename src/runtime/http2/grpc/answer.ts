import { Code, ConnectError } from "@connectrpc/connect";
import { type Compression, compressionNamed } from "./compression.ts";
import { headersFromBlock } from "./metadata.ts";
import { errorFromStatus, fieldOf, type HeaderBlock } from "./status.ts";
import { codeFromHttpStatus, formatOf } from "./wire.ts";

/** Gives an error the fields of trailers and headers as metadata. */
function withMetadata(error: ConnectError, ...blocks: readonly (HeaderBlock | undefined)[]): ConnectError {
  for (const block of blocks) {
    if (block === undefined) continue;
    headersFromBlock(block).forEach((value, name) => {
      error.metadata.append(name, value);
    });
  }
  // Tells Connect's handlers not to pass the metadata of somebody else's answer on to their own client.
  error.isWireError = true;
  return error;
}

/**
 * Judges the headers of an answer: the encoding of its messages.
 *
 * @throws ConnectError for an answer that is not gRPC, or in an encoding nobody asked for
 */
export function checkResponse(block: HeaderBlock): Compression | undefined {
  const status = Number(block[":status"] ?? 0);
  if (status !== 200) {
    throw withMetadata(new ConnectError(`HTTP ${status}`, codeFromHttpStatus(status)), block);
  }
  const contentType = fieldOf(block, "content-type");
  if (formatOf(contentType) === undefined) {
    throw withMetadata(
      new ConnectError(`unsupported content type ${contentType ?? ""}`, Code.Unknown),
      block,
    );
  }
  const encoding = fieldOf(block, "grpc-encoding");
  if (encoding === undefined || encoding === "identity") return undefined;
  const compression = compressionNamed(encoding);
  if (compression === undefined) {
    throw withMetadata(new ConnectError(`unsupported response encoding "${encoding}"`, Code.Internal), block);
  }
  return compression;
}

/**
 * Judges the end of an answer: the error that the trailers state, or the headers of a trailers-only
 * answer; undefined when the call succeeded.
 */
export function errorOfEnd(
  headers: HeaderBlock,
  trailers: HeaderBlock | undefined,
): ConnectError | undefined {
  const inTrailers = trailers === undefined ? undefined : fieldOf(trailers, "grpc-status");
  if (inTrailers === "0") return undefined;
  if (trailers !== undefined && inTrailers !== undefined) {
    const error = errorFromStatus(trailers, inTrailers);
    return error && withMetadata(error, trailers, headers);
  }
  const inHeaders = fieldOf(headers, "grpc-status");
  if (inHeaders === undefined) {
    return withMetadata(new ConnectError("protocol error: missing status", Code.Internal), trailers, headers);
  }
  const error = errorFromStatus(headers, inHeaders);
  return error && withMetadata(error, headers, trailers);
}
