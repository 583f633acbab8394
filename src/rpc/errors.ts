import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "../core/call.ts";
import { isMeshError, MeshError, type MeshErrorCode, TransportError } from "../core/errors.ts";
import { type RpcCode, rpcCodeFromMeshError, rpcCodeFromNumber } from "../core/status.ts";
import { type RateLimitDecision, rateLimitHeaders } from "../policy/rate-limit.ts";
import { errorInfoDetail, meshCodeFromDetails } from "./error-info.ts";

/** Metadata by which a gRPC server says when to try again, in milliseconds (gRPC proposal A6). */
export const pushbackHeader = "grpc-retry-pushback-ms";

const codes: Readonly<Record<RpcCode, Code>> = {
  canceled: Code.Canceled,
  unknown: Code.Unknown,
  invalid_argument: Code.InvalidArgument,
  deadline_exceeded: Code.DeadlineExceeded,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  permission_denied: Code.PermissionDenied,
  resource_exhausted: Code.ResourceExhausted,
  failed_precondition: Code.FailedPrecondition,
  aborted: Code.Aborted,
  out_of_range: Code.OutOfRange,
  unimplemented: Code.Unimplemented,
  internal: Code.Internal,
  unavailable: Code.Unavailable,
  data_loss: Code.DataLoss,
  unauthenticated: Code.Unauthenticated,
};

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

/** Connect's number of an RPC code. */
export function codeFromRpc(code: RpcCode): Code {
  return codes[code];
}

/** The name of Connect's number; `unknown` for numbers nobody defined. */
export function rpcFromCode(code: number): RpcCode {
  return rpcCodeFromNumber(code) ?? "unknown";
}

/**
 * The RPC error for an error of the mesh: its code mapped, the wait before the next attempt as metadata, the
 * mesh's own code as a `google.rpc.ErrorInfo` detail, and the error itself as `cause`.
 */
export function connectErrorFromMeshError(error: MeshError, message: string = error.message): ConnectError {
  const code = codes[rpcCodeFromMeshError(error.code)];
  const converted = new ConnectError(message, code, metadataOf(error), undefined, error);
  // The code of the protocol says it all, and other implementations send no detail here.
  if (error.code !== "ERR_DEADLINE_EXCEEDED") converted.details.push(errorInfoDetail(error.code));
  return converted;
}

/**
 * The error of the mesh behind an RPC error, raised here (its `cause`) or by the service that answered (its
 * `ErrorInfo` detail); undefined when the error was never one of the mesh's.
 */
export function meshErrorFromConnectError(error: ConnectError): MeshError | undefined {
  if (isMeshError(error.cause)) return error.cause;
  const code = meshCodeFromDetails(error.details);
  if (code === undefined) return undefined;
  const pushback = error.metadata.get(pushbackHeader);
  return new MeshError(code, error.rawMessage, {
    cause: error,
    ...(pushback !== null && /^\d{1,10}$/.test(pushback) ? { retryAfterMs: Number(pushback) } : undefined),
  });
}

/**
 * What the caller of a client call gets to see: the original error wherever there is one, `deadline_exceeded`
 * once the deadline has passed (never `canceled`), and `canceled` after its own abort.
 */
export function callerError(call: Call, error: unknown): ConnectError {
  if (call.cancelled) return cancellationError(call.reason, error);
  if (error instanceof ConnectError) return isTruncation(error) ? brokenOff(error) : error;
  if (isMeshError(error)) return connectErrorFromMeshError(error);
  const message = error instanceof Error ? error.message : String(error);
  return new ConnectError(message, Code.Unknown, undefined, undefined, error);
}

/** Connect's texts for a response that ended where it must not. */
const truncated = /^protocol error: (?:missing (?:EndStreamResponse|trailer)|incomplete envelope)$/;

function isTruncation(error: ConnectError): boolean {
  return !error.isWireError && truncated.test(error.rawMessage);
}

/**
 * Where a runtime hides that a connection was lost, a stream just ends, and Connect blames the caller
 * (`invalid_argument`). It is the connection that failed.
 */
function brokenOff(error: ConnectError): ConnectError {
  const fault = new TransportError("closed", "the response broke off before its end", { cause: error });
  return new ConnectError(fault.message, Code.Unavailable, error.metadata, undefined, fault);
}

function cancellationError(reason: unknown, error: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  if (isMeshError(reason, "ERR_DEADLINE_EXCEEDED")) {
    const same = error instanceof ConnectError && error.code === Code.DeadlineExceeded;
    return same ? error : connectErrorFromMeshError(reason);
  }
  if (error instanceof ConnectError && error.code === Code.Canceled && error.cause === reason) return error;
  const message = reason instanceof Error ? reason.message : "the call was cancelled";
  return new ConnectError(message, Code.Canceled, undefined, undefined, reason);
}

/**
 * What a server puts on the wire for what a handler threw: Connect errors as they are, errors of the mesh
 * with their code, anything else as `internal` without a word of what it was.
 */
export function wireError(call: Call, error: unknown): ConnectError {
  if (call.cancelled) {
    if (isMeshError(call.reason)) return connectErrorFromMeshError(call.reason);
    return new ConnectError("the client has gone", Code.Canceled, undefined, undefined, call.reason);
  }
  if (isMeshError(error)) return connectErrorFromMeshError(error, publicMessage(error));
  if (!(error instanceof ConnectError)) {
    return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
  }
  // A fault on the way to the next service, passed on by the handler: its text tells of this side's network.
  const cause = error.cause;
  if (error.isWireError || !isMeshError(cause) || error.rawMessage !== cause.message) return error;
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

/** The header fields that belong to an answer: how to authenticate, when to come back. */
function metadataOf(error: MeshError): HeadersInit {
  const { challenge, decision } = error as MeshError & { challenge?: string; decision?: RateLimitDecision };
  const fields: Record<string, string> = {};
  if (challenge !== undefined) fields["www-authenticate"] = challenge;
  const { retryAfterMs } = error;
  if (retryAfterMs !== undefined) {
    const possible = retryAfterMs >= 0 && retryAfterMs < Infinity;
    fields[pushbackHeader] = possible ? String(Math.ceil(retryAfterMs)) : "-1";
    if (possible) fields["retry-after"] = String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
  }
  return decision === undefined ? fields : { ...fields, ...rateLimitHeaders(decision) };
}
