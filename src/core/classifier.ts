import { type Call, type CallKey, callKey } from "./call.ts";
import {
  isMeshError,
  isTransportError,
  type MeshErrorCode,
  type TlsReason,
  type TransportError,
} from "./errors.ts";
import { type Outcome, ok, outcome } from "./outcome.ts";

/** Says that the call ends later: that of a stream when the stream does. */
export const pending: unique symbol = Symbol("pending");

/** States how a wrapped function ended, from what it returned or threw. */
export interface Classifier<Res = unknown> {
  /** The outcome of a response; `pending` when the call ends later (see `Call.onEnd`). */
  response(call: Call, response: Res): Outcome | typeof pending;
  /** The outcome of an error. */
  error(call: Call, error: unknown): Outcome;
}

/** Outcomes of the mesh's own errors, the same whatever the protocol. */
const byMeshError: Readonly<Record<MeshErrorCode, Outcome>> = {
  ERR_BODY_TOO_LARGE: outcome("success", "body_too_large"),
  ERR_BREAKER_OPEN: outcome("rejected", "breaker_open", { local: true, neverStarted: true }),
  ERR_BULKHEAD_FULL: outcome("rejected", "bulkhead_full", { local: true, neverStarted: true }),
  ERR_CANCELLED: outcome("cancelled", "cancelled"),
  ERR_CAPABILITY: outcome("failure", "capability", { local: true, neverStarted: true }),
  ERR_DEADLINE_EXCEEDED: outcome("retryable", "deadline_exceeded"),
  ERR_HTTP_STATUS: outcome("failure", "http_status"),
  ERR_INVALID_BODY: outcome("success", "invalid_body"),
  ERR_LISTEN: outcome("failure", "listen", { local: true, neverStarted: true }),
  ERR_METHOD_NOT_ALLOWED: outcome("success", "method_not_allowed"),
  ERR_NO_ENDPOINTS: outcome("rejected", "no_endpoints", { local: true, neverStarted: true }),
  ERR_PERMISSION_DENIED: outcome("success", "permission_denied"),
  ERR_RATE_LIMITED: outcome("rejected", "rate_limited", { local: true, neverStarted: true }),
  ERR_ROUTE_UNKNOWN: outcome("success", "route_unknown"),
  ERR_SERVICE_UNKNOWN: outcome("rejected", "service_unknown", { local: true, neverStarted: true }),
  ERR_SHUTTING_DOWN: outcome("rejected", "shutting_down", { local: true, neverStarted: true }),
  ERR_TLS_CONFIG: outcome("failure", "tls_config", { local: true, neverStarted: true }),
  ERR_TRANSPORT: outcome("retryable", "transport"),
  ERR_UNAUTHENTICATED: outcome("success", "unauthenticated"),
};

/**
 * Set on an attempt by a balancer that knows no endpoint which has not failed the call: a lasting fault is not tried again
 * then.
 */
export const nowhereElse: CallKey<boolean> = callKey("nowhere else", false);

/** What is wrong with this process, wherever it calls. */
const ownTlsReasons: ReadonlySet<TlsReason> = new Set([
  "certificate-required",
  "certificate-refused",
  "no-common-version",
  "no-common-cipher",
]);

/**
 * A connection that failed may work the next time. TLS that failed for a known reason will not: where the reason is this
 * process's own, no other attempt helps, and where it is the endpoint's, only one at another endpoint.
 */
function outcomeOfTransportError({ fault, neverStarted, tlsReason }: TransportError): Outcome {
  const status = `transport_${fault}`;
  if (tlsReason === undefined || tlsReason === "handshake")
    return outcome("retryable", status, { neverStarted });
  if (ownTlsReasons.has(tlsReason)) return outcome("failure", status, { neverStarted });
  return outcome("retryable", status, { neverStarted, lasting: true });
}

/** The outcome of an error that the mesh raised itself; undefined for any other error. */
export function outcomeOfMeshError(error: unknown): Outcome | undefined {
  if (isTransportError(error)) return outcomeOfTransportError(error);
  return isMeshError(error) ? byMeshError[error.code] : undefined;
}

/** The outcome of a cancelled call, whatever the protocol; undefined otherwise. */
export function outcomeOfCancelledCall(call: Call): Outcome | undefined {
  if (!call.cancelled) return undefined;
  return isMeshError(call.reason, "ERR_DEADLINE_EXCEEDED")
    ? byMeshError.ERR_DEADLINE_EXCEEDED
    : byMeshError.ERR_CANCELLED;
}

/**
 * The classifier of a wrapped function: what it returns is a success, what it throws is retryable,
 * unless it is an error of the mesh's own or the call was cancelled.
 */
export const defaultClassifier: Classifier = {
  response: () => ok,
  error: (call, error) =>
    outcomeOfCancelledCall(call) ?? outcomeOfMeshError(error) ?? outcome("retryable", "error"),
};

/**
 * How a call failed: as its transport has stated it, else as the error says. Ends the call with that.
 *
 * For the code that made the call, and so has to see to it that it ends.
 */
export function endWithError(call: Call, error: unknown): Outcome {
  if (call.outcome === undefined) {
    call.end(outcomeOfCancelledCall(call) ?? outcomeOfMeshError(error) ?? outcome("failure", "error"));
  }
  return call.outcome as Outcome;
}
