import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import { isMeshError, type MeshError, type MeshErrorCode } from "../../core/errors.ts";
import { rpcCodeFromMeshError } from "../../core/status.ts";
import { isFromUpstream, upstreamError } from "../server/upstream-error.ts";
import { connectErrorFromMeshError } from "./mesh-error-codes.ts";

/** Errors whose message is about the caller's own request, and so may be shown to it. */
const spokenToCallers: ReadonlySet<MeshErrorCode> = new Set([
  "ERR_BODY_TOO_LARGE",
  "ERR_BULKHEAD_FULL",
  "ERR_CANCELLED",
  "ERR_DEADLINE_EXCEEDED",
  "ERR_INVALID_BODY",
  "ERR_METHOD_NOT_ALLOWED",
  "ERR_PERMISSION_DENIED",
  "ERR_RATE_LIMITED",
  "ERR_ROUTE_UNKNOWN",
  "ERR_SHUTTING_DOWN",
  "ERR_UNAUTHENTICATED",
]);

/** What the client is told of a failure that is none of its business. */
export function internalError(cause: unknown): ConnectError {
  return new ConnectError("internal error", Code.Internal, undefined, undefined, cause);
}

/**
 * What a server puts on the wire for what a handler threw: its own Connect errors as they are, errors of the mesh with
 * their code, those of other services as {@link upstreamError} has them, anything else as `internal` without a word of
 * what it was.
 */
export function wireError(call: Call, error: unknown): ConnectError {
  if (call.cancelled) {
    if (isMeshError(call.reason)) return connectErrorFromMeshError(call.reason);
    return new ConnectError("the client has gone", Code.Canceled, undefined, undefined, call.reason);
  }
  if (isFromUpstream(error)) return upstreamError(error);
  if (isMeshError(error)) return connectErrorFromMeshError(error, publicMessage(error));
  return error instanceof ConnectError ? publicError(error) : internalError(error);
}

/**
 * The same error, except where a handler passed on a fault on the way to the next service: the text of that tells of this
 * side's network.
 */
export function publicError(error: ConnectError): ConnectError {
  const { cause } = error;
  if (!isMeshError(cause) || error.rawMessage !== cause.message) return error;
  const message = publicMessage(cause);
  return message === error.rawMessage ? error : copyWithMessage(error, message);
}

function publicMessage(error: MeshError): string {
  if (spokenToCallers.has(error.code)) return error.message;
  const code = rpcCodeFromMeshError(error.code);
  if (code === "unavailable") return "a service behind this one is not available";
  return code === "internal" ? "internal error" : "a service behind this one failed";
}

function copyWithMessage(error: ConnectError, message: string): ConnectError {
  const copy = new ConnectError(message, error.code, error.metadata, undefined, error.cause);
  copy.details = error.details;
  return copy;
}
