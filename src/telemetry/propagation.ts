import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { type HeaderSource, meshHeaders } from "../core/headers.ts";

/** Bytes fetched from the platform at once; a call to it costs far more than the bytes do. */
const blockBytes = 4096;

const encoder = new TextEncoder();
const digits = encoder.encode("0123456789abcdef");
/** The digits of each byte, as character codes. */
const highDigits = Uint8Array.from({ length: 256 }, (_, byte) => digits[byte >> 4]!);
const lowDigits = Uint8Array.from({ length: 256 }, (_, byte) => digits[byte & 15]!);
const digit1 = 0x31;

/**
 * Makes texts of a pattern, in which every `x` is a cryptographically random lower-case hex digit.
 *
 * Many are made at once, as one text that each is cut from: a new one costs some ten nanoseconds and no copying,
 * where `crypto.randomUUID()` or putting one together costs hundreds. What is cut off keeps its block (about
 * 10 kB) alive.
 *
 * @param pattern - ASCII, with at least one `x`; no run of `x` comes out as all zeros, because trace and span ids must not
 */
export function randomTexts(pattern: string): () => string {
  const template = encoder.encode(pattern);
  const { length } = template;
  const runs = [...pattern.matchAll(/x+/g)].map(({ index, 0: { length } }) => ({ index, length }));
  const bytesPerText = runs.reduce((sum, run) => sum + Math.ceil(run.length / 2), 0);
  const count = Math.floor(blockBytes / bytesPerText);
  let block = "";
  let position = 0;

  // The first time inside a request: edge platforms forbid randomness at module scope.
  function refill(): void {
    const random = crypto.getRandomValues(new Uint8Array(blockBytes));
    const text = new Uint8Array(length * count);
    let used = 0;
    for (let start = 0; start < text.length; start += length) {
      text.set(template, start);
      for (const run of runs) {
        const end = start + run.index + run.length;
        let seen = 0;
        for (let at = start + run.index; at < end; at += 2) {
          const byte = random[used++]!;
          text[at] = highDigits[byte]!;
          // Of the last byte of an odd run only one digit has a place.
          if (at + 1 === end) seen |= byte >> 4;
          else {
            text[at + 1] = lowDigits[byte]!;
            seen |= byte;
          }
        }
        if (seen === 0) text[end - 1] = digit1;
      }
    }
    block = new TextDecoder().decode(text);
    position = 0;
  }

  return function randomText() {
    if (position >= block.length) refill();
    const start = position;
    position += length;
    return block.slice(start, position);
  };
}

/** The parts of a W3C `traceparent`. */
export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** The span that is the parent of what follows: 16 lower-case hex digits, not all zero. */
  readonly parentId: string;
  /** Two hex digits; the lowest bit says that the caller records the trace. */
  readonly flags: string;
}

const traceparentShape = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const noTrace = "0".repeat(32);
const noParent = "0".repeat(16);

/** The longest `tracestate` passed on, in characters; the specification asks for at least 512. */
const maxTracestate = 1024;
const tracestateShape = /^[\x20-\x7e\t]+$/;

/**
 * Reads a `traceparent` header: version 00, or a later version whose first four fields are as in 00.
 *
 * @returns undefined when it is malformed; the receiver then starts a new trace, as the specification demands
 */
export function parseTraceparent(header: string): TraceContext | undefined {
  const match = traceparentShape.exec(header);
  if (match === null) return undefined;
  const [, version, traceId = "", parentId = "", flags = "", rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (traceId === noTrace || parentId === noParent) return undefined;
  return { traceId, parentId, flags };
}

/** Writes a `traceparent` header, version 00. */
export function formatTraceparent(context: TraceContext): string {
  return `00-${context.traceId}-${context.parentId}-${context.flags}`;
}

/** A `traceparent` of a trace that starts here; recorded, because nobody up the chain decided otherwise. */
export const newTraceparent: () => string = randomTexts(`00-${"x".repeat(32)}-${"x".repeat(16)}-01`);

/** A random span id: 16 hex digits, not all zero. */
export const newSpanId: () => string = randomTexts("x".repeat(16));

/**
 * The same trace with a new parent: what goes out with each attempt.
 *
 * @param traceparent - a valid header of version 00, as {@link newTraceparent} and this function make them
 */
export function childTraceparent(traceparent: string): string {
  return `${traceparent.slice(0, 36)}${newSpanId()}${traceparent.slice(52, 55)}`;
}

/** A `tracestate` that may be passed on unchanged; empty when the header is malformed or too long. */
export function readTracestate(header: string): string {
  return header.length <= maxTracestate && tracestateShape.test(header) ? header : "";
}

/** The longest request id accepted from outside, in characters. */
const maxRequestIdLength = 128;
const requestIdShape = /^[\w.:+/=@~-]+$/;

/** A new request id: 24 random hex digits. */
export const newRequestId: () => string = randomTexts("x".repeat(24));

/**
 * The request id to go on with: the one that came in when it is short and plain, else a new one. So nobody
 * writes line breaks or pages of text into other people's logs.
 */
export function acceptRequestId(header: string | null | undefined): string {
  return header !== null &&
    header !== undefined &&
    header.length <= maxRequestIdLength &&
    requestIdShape.test(header)
    ? header
    : newRequestId();
}

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
