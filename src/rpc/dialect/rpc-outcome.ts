import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import { type Classifier, outcomeOfCancelledCall, outcomeOfMeshError } from "../../core/classifier.ts";
import { type FaultOf, TransportError, type TransportFault } from "../../core/errors.ts";
import { type Outcome, ok, outcome } from "../../core/outcome.ts";
import type { RpcCode } from "../../core/status.ts";
import { pushbackFrom } from "../../http/pushback.ts";
import { httpStatusOf } from "../client/http-status.ts";
import { rpcFromCode } from "./mesh-error-codes.ts";

const byCode: Readonly<Record<RpcCode, Outcome>> = {
  aborted: outcome("success", "aborted"),
  already_exists: outcome("success", "already_exists"),
  // The call was given up; it was not the endpoint that failed.
  canceled: outcome("cancelled", "canceled"),
  data_loss: outcome("failure", "data_loss"),
  deadline_exceeded: outcome("retryable", "deadline_exceeded"),
  failed_precondition: outcome("success", "failed_precondition"),
  internal: outcome("failure", "internal"),
  invalid_argument: outcome("success", "invalid_argument"),
  not_found: outcome("success", "not_found"),
  out_of_range: outcome("success", "out_of_range"),
  permission_denied: outcome("success", "permission_denied"),
  resource_exhausted: outcome("rejected", "resource_exhausted"),
  unauthenticated: outcome("success", "unauthenticated"),
  unavailable: outcome("retryable", "unavailable"),
  unimplemented: outcome("success", "unimplemented"),
  // The application's own error, which names no code: another endpoint would do no better.
  unknown: outcome("success", "unknown"),
};
/** This side refused a message for its size: no fault of the server's, and no better the next time. */
const tooLarge = outcome("success", "message_too_large");
/** Something on this side threw: it says nothing about the endpoint. */
const ownFailure = outcome("failure", "unknown", { local: true });
/** Something between us and the application failed, and said so by an HTTP status without a meaning in RPC. */
const serverError = outcome("failure", "unknown");
const tooManyRequests = outcome("rejected", "unavailable");

/** Connect's text for a stream that the server reset; the RPC code that goes with it may name another cause. */
const resetStream = /\bstream closed with error code ([A-Z_0-9]+)/;
/** What `errorFromReset` says: a stream that broke off states no status, whatever code it is mapped to. */
const streamReset = /^the server reset the stream with /;
/** Connect's text for a response that is none of the protocol's. */
const httpStatus = /^HTTP (\d{3})$/;
const maxCauses = 8;

const byFault = new Map<TransportFault, Outcome>();

function outcomeOfFault(fault: TransportFault): Outcome {
  let known = byFault.get(fault);
  if (known === undefined) {
    known = outcomeOfMeshError(new TransportError(fault, fault)) as Outcome;
    byFault.set(fault, known);
  }
  return known;
}

/** The outcome of an RPC by its status; 0 is success. */
export function outcomeOfCode(code: number): Outcome {
  return code === 0 ? ok : byCode[rpcFromCode(code)];
}

function outcomeOfCause(error: unknown, faultOf: FaultOf | undefined): Outcome | undefined {
  let fault: TransportFault | undefined;
  let link: unknown = error;
  for (let depth = 0; depth < maxCauses && link instanceof Error; depth++) {
    // An error of our own says more of a fault than its name.
    const own = outcomeOfMeshError(link);
    if (own !== undefined) return own;
    fault ??= faultOf?.(link);
    link = link.cause;
  }
  return fault === undefined ? undefined : outcomeOfFault(fault);
}

/** The outcome of an error that the server did not state itself; undefined where its code says it all. */
function outcomeOfOwnError(error: ConnectError, faultOf: FaultOf | undefined): Outcome | undefined {
  // Connect's code says little about a socket (a reset surfaces as `aborted`): the cause does.
  const fault = outcomeOfCause(error, faultOf);
  if (fault !== undefined) return fault;
  const reset = resetStream.exec(error.rawMessage)?.[1];
  // Refused before the application saw it.
  if (reset === "REFUSED_STREAM") return outcomeOfFault("never-started");
  if (reset === "INADEQUATE_SECURITY" || reset === "HTTP_1_1_REQUIRED") return outcomeOfFault("reset");
  if (reset === undefined && error.code === Code.ResourceExhausted) return tooLarge;
  return undefined;
}

function plainOutcome(error: ConnectError): Outcome {
  const status =
    httpStatusOf(error) ?? Number(error.isWireError ? 0 : httpStatus.exec(error.rawMessage)?.[1]);
  if (status === 429) return tooManyRequests;
  if (error.code !== Code.Unknown) return outcomeOfCode(error.code);
  if (status >= 500 || streamReset.test(error.rawMessage)) return serverError;
  return error.isWireError ? byCode.unknown : ownFailure;
}

/**
 * The outcome of an RPC that failed: a fault of the connection by its cause, anything else by its code.
 *
 * @param faultOf - the runtime's knowledge of its own socket errors; without it such a fault proves nothing
 */
export function outcomeOfRpcError(call: Call, error: unknown, faultOf?: FaultOf): Outcome {
  const cancelled = outcomeOfCancelledCall(call);
  if (cancelled !== undefined) return cancelled;
  if (!(error instanceof ConnectError)) return outcomeOfCause(error, faultOf) ?? outcome("failure", "error");
  const own = error.isWireError ? undefined : outcomeOfOwnError(error, faultOf);
  if (own !== undefined) return own;
  const plain = plainOutcome(error);
  if (plain.kind === "success") return plain;
  const pushbackMs = pushbackFrom(error.metadata);
  return pushbackMs === undefined ? plain : { ...plain, pushbackMs };
}

/**
 * States how calls of a Connect client ended that are wrapped by `protect()`: by their codes, as those of the mesh's own
 * transports.
 *
 * @example
 * ```ts
 * const query = protect(retry(), (request: QueryRequest) => client.query(request), { classifier: rpcClassifier });
 * ```
 */
export const rpcClassifier: Classifier = {
  response: () => ok,
  error: (call, error) => outcomeOfRpcError(call, error),
};
