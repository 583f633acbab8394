import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import { isMeshError, MeshError, TransportError } from "../../core/errors.ts";
import { type RpcCode, rpcCodeFromMeshError, rpcCodeFromNumber } from "../../core/status.ts";
import { markUpstream } from "../../core/upstream.ts";
import { pushbackFrom, pushbackHeader } from "../../http/pushback.ts";
import { type RateLimitDecision, rateLimitHeaders } from "../../policy/rate-limit.ts";
import { readableError } from "../client/readable-error.ts";
import { errorInfoDetail, meshCodeFromDetails } from "./error-info.ts";

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
 * The error of the mesh behind an RPC error, raised here (its `cause`) or by the service that responded (its
 * `ErrorInfo` detail); undefined when the error was never one of the mesh's.
 */
export function meshErrorFromConnectError(error: ConnectError): MeshError | undefined {
  if (isMeshError(error.cause)) return error.cause;
  const code = meshCodeFromDetails(error.details);
  if (code === undefined) return undefined;
  const retryAfterMs = pushbackFrom(error.metadata);
  return new MeshError(code, error.rawMessage, {
    cause: error,
    ...(retryAfterMs !== undefined && retryAfterMs < Infinity && { retryAfterMs }),
  });
}

/**
 * What the caller of a client call gets to see: the original error wherever there is one, `deadline_exceeded`
 * once the deadline has passed (never `canceled`), and `canceled` after its own abort.
 */
export function callerError(call: Call, thrown: unknown): ConnectError {
  const error = readableError(thrown);
  // The caller may cancel with an error of its own, which is none of another service's.
  if (call.cancelled && call.reason instanceof ConnectError) return call.reason;
  return markUpstream(call.cancelled ? cancellationError(call.reason, error) : failureError(error));
}

function failureError(error: unknown): ConnectError {
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
 * Where a runtime hides that a connection was lost, a stream just ends, and Connect takes that for a fault of the caller
 * (`invalid_argument`). It is the connection that failed.
 */
function brokenOff(error: ConnectError): ConnectError {
  const fault = new TransportError("closed", "the response broke off before its end", { cause: error });
  return new ConnectError(fault.message, Code.Unavailable, error.metadata, undefined, fault);
}

function cancellationError(reason: unknown, error: unknown): ConnectError {
  if (isMeshError(reason, "ERR_DEADLINE_EXCEEDED")) {
    const same = error instanceof ConnectError && error.code === Code.DeadlineExceeded;
    return same ? error : connectErrorFromMeshError(reason);
  }
  if (error instanceof ConnectError && error.code === Code.Canceled && error.cause === reason) return error;
  const message = reason instanceof Error ? reason.message : "the call was cancelled";
  return new ConnectError(message, Code.Canceled, undefined, undefined, reason);
}

/** The header fields that belong to a response: how to authenticate, when to come back. */
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
