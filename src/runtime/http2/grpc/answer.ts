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
export function checkResponse(block: HeaderBlock, format: "proto" | "json"): Compression | undefined {
  const status = Number(block[":status"] ?? 0);
  if (status !== 200) {
    throw withMetadata(new ConnectError(`HTTP ${status}`, codeFromHttpStatus(status)), block);
  }
  const contentType = fieldOf(block, "content-type");
  const answered = formatOf(contentType);
  if (answered !== undefined && answered !== format) {
    throw withMetadata(new ConnectError(`unexpected content type ${contentType}`, Code.Internal), block);
  }
  if (answered === undefined) {
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
 * Judges the end of an answer: the error that the trailers state; undefined when the call succeeded.
 *
 * A status among the headers counts only in a trailers-only answer: one with neither body nor trailers.
 */
export function errorOfEnd(
  headers: HeaderBlock,
  trailers: HeaderBlock | undefined,
  hasBody: boolean,
): ConnectError | undefined {
  const stating = trailers ?? (hasBody ? undefined : headers);
  const status = stating === undefined ? undefined : fieldOf(stating, "grpc-status");
  if (status === "0") return undefined;
  if (stating === undefined || status === undefined) {
    return withMetadata(new ConnectError("protocol error: missing status", Code.Internal), trailers, headers);
  }
  const error = errorFromStatus(stating, status);
  return error && withMetadata(error, trailers, headers);
}
