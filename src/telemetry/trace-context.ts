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
