import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import {
  type Classifier,
  outcomeOfCancelledCall,
  outcomeOfMeshError,
  pending,
} from "../../core/classifier.ts";
import { TransportError, type TransportFault } from "../../core/errors.ts";
import type { HeaderSource } from "../../core/headers.ts";
import { type Outcome, ok, outcome } from "../../core/outcome.ts";
import type { RpcCode } from "../../core/status.ts";
import { pushbackHeader, rpcFromCode } from "../dialect/mesh-error-codes.ts";

/** Names how a connection failed, from whatever error the platform raised; undefined if it is no such error. */
export type FaultOf = (error: unknown) => TransportFault | undefined;

/** Options of {@link rpcClassifier}. */
export interface RpcClassifierOptions {
  /** The runtime's knowledge of its own socket errors. @default none: every fault proves nothing */
  readonly faultOf?: FaultOf;
}

/** The part of a Connect response that the verdict needs. */
export interface RpcResponseShape {
  readonly stream: boolean;
}

const byCode: Readonly<Record<RpcCode, Outcome>> = {
  aborted: outcome("success", "aborted"),
  already_exists: outcome("success", "already_exists"),
  // The server gave up although nobody here asked for it.
  canceled: outcome("failure", "canceled"),
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
  unknown: outcome("failure", "unknown"),
};
/** This side refused a message for its size: no fault of the server's, and no better the next time. */
const tooLarge = outcome("success", "message_too_large");
/** Connect's text for a stream that the server reset; the RPC code that goes with it may blame somebody else. */
const resetStream = /\bstream closed with error code ([A-Z_0-9]+)/;
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

/** The verdict on an RPC status; 0 is success. */
export function outcomeOfCode(code: number): Outcome {
  return code === 0 ? ok : byCode[rpcFromCode(code)];
}

/**
 * What the server says about the next attempt, in milliseconds: `grpc-retry-pushback-ms`, else `Retry-After`.
 * A word that cannot be understood, or a negative one, is taken as "do not": the answer is `Infinity`.
 */
export function pushbackFrom(metadata: HeaderSource): number | undefined {
  const pushback = metadata.get(pushbackHeader);
  if (pushback !== null && pushback !== undefined) {
    return /^\d{1,10}$/.test(pushback.trim()) ? Number(pushback) : Infinity;
  }
  const retryAfter = metadata.get("retry-after");
  if (retryAfter === null || retryAfter === undefined) return undefined;
  const text = retryAfter.trim();
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000;
  const at = /^[A-Za-z]/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) return Infinity;
  // The server's own clock, when it tells: the two need not agree.
  const now = Date.parse(metadata.get("date") ?? "");
  return Math.max(0, at - (Number.isNaN(now) ? Date.now() : now));
}

function faultIn(error: unknown, faultOf: FaultOf | undefined): Outcome | undefined {
  let link: unknown = error;
  for (let depth = 0; depth < maxCauses && link instanceof Error; depth++) {
    const own = outcomeOfMeshError(link);
    if (own !== undefined) return own;
    const fault = faultOf?.(link);
    if (fault !== undefined) return outcomeOfFault(fault);
    link = link.cause;
  }
  return undefined;
}

function outcomeOfConnectError(error: ConnectError, faultOf: FaultOf | undefined): Outcome {
  if (!error.isWireError) {
    // Connect's code says little about a socket (a reset surfaces as `aborted`): the cause does.
    const fault = faultIn(error, faultOf);
    if (fault !== undefined) return fault;
    const reset = resetStream.exec(error.rawMessage)?.[1];
    // Refused before the application saw it.
    if (reset === "REFUSED_STREAM") return outcomeOfFault("never-started");
    if (reset === "INADEQUATE_SECURITY" || reset === "HTTP_1_1_REQUIRED") return outcomeOfFault("reset");
    if (reset === undefined && error.code === Code.ResourceExhausted) return tooLarge;
  }
  const plain = outcomeOfCode(error.code);
  if (plain.kind === "success") return plain;
  const pushbackMs = pushbackFrom(error.metadata);
  return pushbackMs === undefined ? plain : { ...plain, pushbackMs };
}

/**
 * The classifier of RPC clients: a unary response is a success, a stream is judged at its end, an error by
 * its code, and a fault of the connection by its cause.
 */
export function rpcClassifier(options: RpcClassifierOptions = {}): Classifier<RpcResponseShape> {
  const { faultOf } = options;
  return {
    response: (_call, response) => (response.stream ? pending : ok),
    error(call: Call, error: unknown): Outcome {
      const cancelled = outcomeOfCancelledCall(call);
      if (cancelled !== undefined) return cancelled;
      if (error instanceof ConnectError) return outcomeOfConnectError(error, faultOf);
      return faultIn(error, faultOf) ?? outcome("failure", "error");
    },
  };
}
