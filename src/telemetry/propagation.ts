import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { type HeaderSource, meshHeaders } from "../core/headers.ts";
import { newRequestId } from "./request-id.ts";
import { childTraceparent, newTraceparent, parseTraceparent, readTracestate } from "./trace-context.ts";

/** What came with a request from further up the chain; never an identity, that is for security to find out. */
export interface MessageReaderContext {
  /** As it came, not checked: see `acceptRequestId`. */
  readonly requestId: string | undefined;
  /** Valid, or empty. */
  readonly traceparent: string;
  /** Valid, or empty; empty without a valid `traceparent`. */
  readonly tracestate: string;
  readonly attempt: number;
  readonly priority: number;
  /** Whether a service up the chain retries. */
  readonly retryOwnedUpstream: boolean;
  /** The time that the caller has left, in milliseconds; undefined when it did not say. */
  readonly timeoutMs: number | undefined;
}

const maxTimeoutMs = 9_999_999_999;
const timeoutShape = /^\d{1,10}$/;
const smallShape = /^\d{1,4}$/;

/**
 * Writes a call's context into the headers or the metadata of one attempt.
 *
 * Each attempt gets a parent id of its own, which stays on `call.traceparent`; a call without a trace starts
 * one, shared by all attempts of the same exchange. `mesh-retry: never` goes out whenever somebody above the
 * receiver repeats the call, this process included. The time that remains is written for REST only: gRPC and
 * Connect have headers of their own for it.
 */
export function writeContext(call: Call, set: (name: string, value: string) => void, clock: Clock): void {
  if (call.traceparent === "" || call.requestId === "") startExchange(call);
  call.traceparent = childTraceparent(call.traceparent);
  set(meshHeaders.requestId, call.requestId);
  set(meshHeaders.traceparent, call.traceparent);
  if (call.tracestate !== "") set(meshHeaders.tracestate, call.tracestate);
  if (call.attempt > 1) set(meshHeaders.attempt, String(call.attempt));
  if (call.priority > 0) set(meshHeaders.priority, String(call.priority));
  if (call.retryOwnedUpstream) set(meshHeaders.retry, "never");
  if (call.protocol === "rest" && call.deadline !== Infinity) {
    const remaining = Math.ceil(call.deadline - clock.now());
    set(meshHeaders.timeout, String(Math.min(Math.max(remaining, 0), maxTimeoutMs)));
  }
}

/** Gives request id and trace to a call and to those above it that lack them, so that later attempts share them. */
function startExchange(call: Call): void {
  const parent = call.parent;
  if (parent !== undefined) {
    if (parent.traceparent === "" || parent.requestId === "") startExchange(parent);
    if (call.traceparent === "") {
      call.traceparent = parent.traceparent;
      call.tracestate = parent.tracestate;
    }
    if (call.requestId === "") call.requestId = parent.requestId;
    return;
  }
  if (call.traceparent === "") call.traceparent = newTraceparent();
  if (call.requestId === "") call.requestId = newRequestId();
}

/**
 * Reads the context that came with a request. Values that are malformed count as absent: context is a help,
 * a request does not fail for it.
 *
 * Attempt, priority and retry are read only beside a `traceparent`, which every sender of them sends too
 * ({@link writeContext} does): on some platforms a look at a header is dear, and most requests have none of them.
 */
export function readContext(headers: HeaderSource): MessageReaderContext {
  const requestId = headers.get(meshHeaders.requestId) ?? undefined;
  const timeoutMs = numberFrom(headers.get(meshHeaders.timeout), timeoutShape);
  const trace = headers.get(meshHeaders.traceparent);
  if (trace == null) {
    return {
      requestId,
      traceparent: "",
      tracestate: "",
      attempt: 1,
      priority: 0,
      retryOwnedUpstream: false,
      timeoutMs,
    };
  }
  const traceparent = readTraceparent(trace);
  return {
    requestId,
    traceparent,
    tracestate: traceparent === "" ? "" : readTracestate(headers.get(meshHeaders.tracestate) ?? ""),
    attempt: Math.max(numberFrom(headers.get(meshHeaders.attempt), smallShape) ?? 1, 1),
    priority: numberFrom(headers.get(meshHeaders.priority), smallShape) ?? 0,
    retryOwnedUpstream: headers.get(meshHeaders.retry) === "never",
    timeoutMs,
  };
}

function numberFrom(value: string | null | undefined, shape: RegExp): number | undefined {
  return value != null && shape.test(value) ? Number(value) : undefined;
}

/** The header in the form of version 00, whatever version it came in; empty when it is invalid. */
function readTraceparent(header: string): string {
  const context = parseTraceparent(header);
  if (context === undefined) return "";
  return header.length === 55 && header.startsWith("00")
    ? header
    : `00-${context.traceId}-${context.parentId}-${context.flags}`;
}
