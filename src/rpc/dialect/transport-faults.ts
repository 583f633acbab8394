import { Code, ConnectError } from "@connectrpc/connect";
import {
  isMeshError,
  isTransportError,
  type MeshErrorCode,
  TransportError,
  type TransportFault,
} from "../../core/errors.ts";
import { rpcCodeFromMeshError } from "../../core/status.ts";
import { h2 } from "../../http/http2/frame/frame-types.ts";
import { readableError } from "../client/readable-error.ts";
import { codeFromRpc } from "./mesh-error-codes.ts";

const h2Names: readonly string[] = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
];

/** An RPC error around a fault of the connection, so that retries can tell what it proves. */
export function unavailable(message: string, fault: TransportFault, cause?: unknown): ConnectError {
  return new ConnectError(
    message,
    Code.Unavailable,
    undefined,
    undefined,
    new TransportError(fault, message, {
      cause,
      tlsReason: isTransportError(cause) ? cause.tlsReason : undefined,
    }),
  );
}

/**
 * The RPC error of a stream that the peer ended with RST_STREAM before its status arrived.
 *
 * `neverStarted` says that nothing of a response had come before: only then does a refusal prove anything.
 *
 * It is marked as the peer's own word, unless the reset is about the connection: then its cause says what it proves.
 */
export function errorFromReset(rstCode: number, neverStarted = false): ConnectError {
  const name = h2Names[rstCode] ?? `0x${rstCode.toString(16)}`;
  const message = `the server reset the stream with ${name}`;
  switch (rstCode) {
    case h2.noError:
      return unavailable("the server ended the stream without a status", "reset");
    case h2.refusedStream:
      return unavailable(message, neverStarted ? "never-started" : "reset");
    case h2.inadequateSecurity: {
      // gRPC's code for it speaks of the caller's rights; it is this connection that the server does not like.
      const fault = new TransportError("reset", message);
      return new ConnectError(message, Code.PermissionDenied, undefined, undefined, fault);
    }
    case h2.cancel:
      return saidByPeer(message, Code.Canceled);
    case h2.enhanceYourCalm:
      return saidByPeer(message, Code.ResourceExhausted);
    case h2.streamClosed:
      return saidByPeer(message, Code.Unknown);
    default:
      return saidByPeer(message, Code.Internal);
  }
}

function saidByPeer(message: string, code: Code): ConnectError {
  const error = new ConnectError(message, code);
  error.isWireError = true;
  return error;
}

/**
 * The RPC error of a stream that this side reset, because the server broke the rules of HTTP/2. Headers that are too
 * large are such a case, unlike messages: the limit was announced to the server.
 */
export function protocolFault(code: number): ConnectError {
  const name = h2Names[code] ?? `0x${code.toString(16)}`;
  const message =
    code === h2.enhanceYourCalm
      ? "the headers of the response are larger than the limit"
      : `protocol error: the response is not well-formed HTTP/2 (${name})`;
  return new ConnectError(message, Code.Internal);
}

/** The RPC code of a mesh error. */
function codeFromMeshError(code: MeshErrorCode): Code {
  return codeFromRpc(rpcCodeFromMeshError(code));
}

/** The error that a cancelled call fails with: deadline exceeded when time ran out, else cancelled. */
export function errorFromCancel(thrown: unknown): ConnectError {
  const reason = readableError(thrown);
  if (reason instanceof ConnectError) return reason;
  if (isMeshError(reason)) {
    return new ConnectError(reason.message, codeFromMeshError(reason.code), undefined, undefined, reason);
  }
  // AbortSignal.timeout() raises a TimeoutError: time ran out, whatever watched it.
  const timeout = reason instanceof Error && reason.name === "TimeoutError";
  const message = reason instanceof Error ? reason.message : "the call was cancelled";
  return new ConnectError(
    message,
    timeout ? Code.DeadlineExceeded : Code.Canceled,
    undefined,
    undefined,
    reason,
  );
}

/** So shortly before its deadline, a call that the server gave up has run out of time, by the server's clock. */
const deadlineSlackMs = 20;

/**
 * The error to show for one that ended a call: servers cancel what has run out of time, and their timer may
 * fire a moment before ours.
 */
export function orDeadline(error: ConnectError, remainingMs: number): ConnectError {
  return error.code === Code.Canceled && remainingMs < deadlineSlackMs ? deadlineExceeded() : error;
}

/** The error of a call whose time ran out. */
export function deadlineExceeded(): ConnectError {
  return new ConnectError("the deadline was exceeded", Code.DeadlineExceeded);
}
