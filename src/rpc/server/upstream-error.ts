import { Code, ConnectError } from "@connectrpc/connect";
import { isMeshError } from "../../core/errors.ts";
import { type RpcCode, rpcCodeFromHttp, rpcCodeFromMeshError } from "../../core/status.ts";
import { isUpstream } from "../../core/upstream.ts";
import { pushbackHeader } from "../../http/pushback.ts";
import { rpcFromCode } from "../dialect/mesh-error-codes.ts";

/**
 * Whether an error came out of a call to another service: marked by the mesh's own clients, or read from the wire by
 * a client that is not the mesh's. An error that a handler makes itself is none, whatever its cause.
 */
export function isFromUpstream(error: unknown): boolean {
  if (isUpstream(error)) return true;
  if (!(error instanceof ConnectError)) return false;
  // Connect makes such a one of any error that it is given, and keeps the text.
  const { cause } = error;
  return error.isWireError || (isUpstream(cause) && error.rawMessage === (cause as Error).message);
}

/**
 * What the client of this service is told of an error that came from the service behind it: that it was not to be
 * had, took too long, or failed. It is never the client's fault, and text, details and metadata stay here.
 */
export function upstreamError(error: unknown): ConnectError {
  switch (codeOf(error)) {
    case "unavailable":
    // Its limit is for this service to keep to.
    case "resource_exhausted":
      return new ConnectError(
        "a service behind this one is not available",
        Code.Unavailable,
        pushbackOf(error),
        undefined,
        error,
      );
    case "deadline_exceeded":
      return new ConnectError(
        "a service behind this one took too long",
        Code.DeadlineExceeded,
        undefined,
        undefined,
        error,
      );
    default:
      return new ConnectError("a service behind this one failed", Code.Internal, undefined, undefined, error);
  }
}

function codeOf(error: unknown): RpcCode {
  if (error instanceof ConnectError) return rpcFromCode(error.code);
  if (!isMeshError(error)) return "internal";
  const { status } = error as { status?: unknown };
  if (error.code === "ERR_HTTP_STATUS" && typeof status === "number") return rpcCodeFromHttp(status);
  return rpcCodeFromMeshError(error.code) ?? "internal";
}

/** When the other service may be asked again holds for this one as well. */
function pushbackOf(error: unknown): Record<string, string> {
  if (isMeshError(error)) {
    const { retryAfterMs = Infinity } = error;
    return retryAfterMs >= 0 && retryAfterMs < Infinity
      ? { [pushbackHeader]: String(Math.ceil(retryAfterMs)) }
      : {};
  }
  const pushback = error instanceof ConnectError ? error.metadata.get(pushbackHeader) : null;
  return pushback !== null && /^\d{1,10}$/.test(pushback) ? { [pushbackHeader]: pushback } : {};
}
