import { codeFromString, endStreamFlag } from "@connectrpc/connect/protocol-connect";
import { trailerFlag, trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import { rpcCodeFromHttp } from "../../core/status.ts";
import { codeFromRpc } from "./mesh-error-codes.ts";
import type { RpcDialect } from "./rpc-dialect.ts";

const envelopeBytes = 5;
const compressedFlag = 0b1;

/**
 * The status that the last chunk of a body carries, as a number (0 is success); undefined when it carries
 * none. Connect writes one envelope per chunk, so that the flags are the chunk's first byte.
 */
export function statusInChunk(wire: RpcDialect, chunk: Uint8Array): number | undefined {
  if (!wire.enveloped || wire.protocol === "grpc") return undefined;
  const flags = chunk[0] ?? 0;
  // What was compressed is long, and an error that long came from a handler: it is known already.
  if ((flags & compressedFlag) !== 0) return undefined;
  const payload = chunk.subarray(envelopeBytes);
  if (wire.protocol === "grpc-web") {
    return (flags & trailerFlag) === 0 ? undefined : grpcStatus(trailerParse(payload));
  }
  return (flags & endStreamFlag) === 0 ? undefined : connectStatus(payload);
}

/** The text of an error that a chunk states; undefined when it states none that can be read. */
export function messageInChunk(wire: RpcDialect, chunk: Uint8Array): string | undefined {
  if (!wire.enveloped) return messageIn(parse(chunk));
  if (((chunk[0] ?? 0) & compressedFlag) !== 0) return undefined;
  const payload = chunk.subarray(envelopeBytes);
  if (wire.protocol === "grpc-web") {
    return decodeURIComponent(trailerParse(payload).get("grpc-message") ?? "");
  }
  const end = parse(payload);
  return isObject(end) ? messageIn(end.error) : undefined;
}

function messageIn(error: unknown): string | undefined {
  return isObject(error) && typeof error.message === "string" ? error.message : undefined;
}

/** The status in gRPC's trailers; undefined when there is none. */
export function grpcStatus(trailer: Headers | undefined): number | undefined {
  const status = trailer?.get("grpc-status");
  return status === null || status === undefined ? undefined : Number(status);
}

/** The status that an HTTP status stands for, where the body says nothing better. */
export function statusFromHttp(status: number, body: Uint8Array | undefined): number {
  if (status < 300) return 0;
  const said = body === undefined ? undefined : codeIn(parse(body));
  return said ?? codeFromRpc(status === 505 ? "unimplemented" : rpcCodeFromHttp(status));
}

function connectStatus(payload: Uint8Array): number {
  const end = parse(payload);
  return isObject(end) && end.error !== undefined ? (codeIn(end.error) ?? codeFromRpc("unknown")) : 0;
}

function codeIn(error: unknown): number | undefined {
  return isObject(error) && typeof error.code === "string" ? codeFromString(error.code) : undefined;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
