import { randomTexts } from "./random-hex.ts";

/** The parts of a W3C `traceparent`. */
export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** The span that is the parent of what follows: 16 lower-case hex digits, not all zero. */
  readonly parentId: string;
  /** Two hex digits; the lowest bit says that the caller records the trace. */
  readonly flags: string;
}

const shape = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
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
  const match = shape.exec(header);
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
