import { notFieldText, token } from "../../core/headers.ts";
import type { ExchangeRequest } from "../exchange.ts";
import { Http1Error } from "./http1-error.ts";

/** The head of a request: its request line, its fields, and what they say about the connection and the body. */
export interface RequestHead extends ExchangeRequest {
  /** 0 for HTTP/1.0. */
  readonly minor: 0 | 1;
  /** Bytes of the body; -1 when it comes in chunks. */
  readonly bodyBytes: number;
  /** Whether the peer wants the connection to stay open. */
  readonly keepAlive: boolean;
  /** Whether the peer waits for a 100 before it sends the body. */
  readonly expectsContinue: boolean;
}

/** RFC 9112, section 3.2: no blank, no fragment, and nothing that is not printable ASCII. */
const targetText = /^[!"\x24-\x7e]+$/;
const decimal = /^\d{1,15}$/;
const maxMethodLength = 32;
/** What a field costs besides its text: HTTP/2's measure (RFC 9113, section 6.5.2), so that both count alike. */
const fieldOverheadBytes = 32;

/** What `:method`, `:scheme`, `:path` and `:authority` would take there, beyond what the request line and Host say. */
const pseudoFieldBytes = 39 + 43 + 37 + 6;

/** Common names as they are written, to save the check and the change of case. */
const knownNames: ReadonlyMap<string, string> = new Map(
  (
    "Accept Accept-Encoding Accept-Language Authorization Cache-Control Connect-Protocol-Version Connect-Timeout-Ms " +
    "Connection Content-Encoding Content-Length Content-Type Cookie Date Expect Forwarded Host If-Modified-Since " +
    "If-None-Match Keep-Alive Origin Pragma Range Referer Te Traceparent Tracestate Trailer Transfer-Encoding Upgrade " +
    "User-Agent Via X-Forwarded-For X-Forwarded-Proto X-Request-Id X-User-Agent"
  )
    .split(" ")
    .flatMap((name) => [
      [name, name.toLowerCase()],
      [name.toLowerCase(), name.toLowerCase()],
    ]),
);

function nameOf(written: string): string {
  const known = knownNames.get(written);
  if (known !== undefined) return known;
  if (!token.test(written)) throw new Http1Error(400, "A field name is not a token");
  return written.toLowerCase();
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function trimmed(text: string, start: number): string {
  let from = start;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

/** What the fields say about the connection and the body, gathered while they are read. */
class Framing {
  host: string | undefined = undefined;
  length: string | undefined = undefined;
  codings: string | undefined = undefined;
  connection: string | undefined = undefined;
  expect: string | undefined = undefined;

  note(name: string, value: string): void {
    switch (name) {
      case "host":
        if (this.host !== undefined) throw new Http1Error(400, "There are two Host fields");
        this.host = value;
        break;
      case "content-length":
        if (this.length !== undefined) throw new Http1Error(400, "There are two Content-Length fields");
        this.length = value;
        break;
      case "transfer-encoding":
        this.codings = this.codings === undefined ? value : `${this.codings},${value}`;
        break;
      case "connection":
        this.connection = this.connection === undefined ? value : `${this.connection},${value}`;
        break;
      case "expect":
        this.expect = this.expect === undefined ? value : `${this.expect},${value}`;
        break;
    }
  }

  bodyBytes(minor: 0 | 1): number {
    const { codings, length } = this;
    if (codings !== undefined) {
      // Each of these is how requests are smuggled past a proxy that reads it in another way.
      if (length !== undefined)
        throw new Http1Error(400, "There are both Content-Length and Transfer-Encoding");
      if (minor === 0) throw new Http1Error(400, "HTTP/1.0 knows no Transfer-Encoding");
      if (codings.toLowerCase() !== "chunked") {
        const chunked = /(^|,)[ \t]*chunked[ \t]*$/i.test(codings);
        throw new Http1Error(
          chunked && !/chunked.*chunked/i.test(codings) ? 501 : 400,
          "Only chunked is taken",
        );
      }
      return -1;
    }
    if (length === undefined) return 0;
    if (!decimal.test(length)) throw new Http1Error(400, "Content-Length is not a number");
    return Number(length);
  }

  keepAlive(minor: 0 | 1): boolean {
    if (this.connection === undefined) return minor === 1;
    const options = this.connection
      .toLowerCase()
      .split(",")
      .map((option) => option.trim());
    return !options.includes("close") && (minor === 1 || options.includes("keep-alive"));
  }

  expectsContinue(minor: 0 | 1): boolean {
    if (this.expect === undefined || minor === 0) return false;
    if (this.expect.toLowerCase() !== "100-continue")
      throw new Http1Error(417, "Only 100-continue may be expected");
    return true;
  }
}

/**
 * Reads the head of a request, strictly: what RFC 9112 lets a lenient server repair is refused, because a proxy
 * before this server may repair it in another way.
 *
 * @param text - the head without the empty line at its end, one character a byte
 * @param maxFieldBytes - of all fields together, counted as HTTP/2 counts them
 * @throws Http1Error
 */
export function parseRequestHead(text: string, maxFieldBytes: number): RequestHead {
  const lineEnd = text.indexOf("\r\n");
  const line = lineEnd === -1 ? text : text.slice(0, lineEnd);
  const methodEnd = line.indexOf(" ");
  const targetEnd = line.lastIndexOf(" ");
  const method = line.slice(0, Math.max(methodEnd, 0));
  if (methodEnd <= 0 || methodEnd > maxMethodLength || targetEnd <= methodEnd || !token.test(method)) {
    throw new Http1Error(400, "The request line is malformed");
  }
  const target = line.slice(methodEnd + 1, targetEnd);
  if (!targetText.test(target)) throw new Http1Error(400, "The request target is malformed");
  const minor = minorOf(line.slice(targetEnd + 1));

  const framing = new Framing();
  const fields: string[] = [];
  let bytes = method.length + target.length + pseudoFieldBytes;
  for (let at = lineEnd === -1 ? text.length : lineEnd + 2; at < text.length; ) {
    const next = text.indexOf("\r\n", at);
    const end = next === -1 ? text.length : next;
    const colon = text.indexOf(":", at);
    // A blank at the start continues the line before (obs-fold), one before the colon hides the name.
    if (colon <= at || colon >= end) throw new Http1Error(400, "A field line is malformed");
    const name = nameOf(text.slice(at, colon));
    const value = trimmed(text.slice(colon + 1, end), 0);
    if (notFieldText.test(value)) throw new Http1Error(400, "A field value holds a control character");
    bytes += name.length + value.length + fieldOverheadBytes;
    if (bytes > maxFieldBytes) throw new Http1Error(431, "The fields are too large");
    framing.note(name, value);
    fields.push(name, value);
    at = end + 2;
  }
  if (framing.host === undefined && minor === 1) throw new Http1Error(400, "There is no Host field");
  return {
    method,
    target,
    minor,
    fields,
    authority: framing.host,
    bodyBytes: framing.bodyBytes(minor),
    keepAlive: framing.keepAlive(minor),
    expectsContinue: framing.expectsContinue(minor),
  };
}

function minorOf(version: string): 0 | 1 {
  if (version === "HTTP/1.1") return 1;
  if (version === "HTTP/1.0") return 0;
  throw new Http1Error(/^HTTP\/\d\.\d$/.test(version) ? 505 : 400, "The version is not HTTP/1.0 or HTTP/1.1");
}

/** Whether bytes that do not hold a whole head yet can still become one: ends what is no HTTP without waiting for more. */
export function canBecomeHead(bytes: Uint8Array, from: number, length: number): boolean {
  for (let at = from; at < length; at++) {
    const byte = bytes[at]!;
    if (byte === 0x0a) {
      if (at === 0 || bytes[at - 1] !== 0x0d) return false;
    } else if (byte < 0x20 ? byte !== 0x09 && byte !== 0x0d : byte === 0x7f) return false;
    if (at > 0 && bytes[at - 1] === 0x0d && byte !== 0x0a) return false;
  }
  return true;
}

/** Where the empty line at the end of a head begins, or -1. */
export function endOfHead(bytes: Uint8Array, from: number, length: number): number {
  for (let at = from; at + 3 < length; ) {
    const byte = bytes[at + 3]!;
    // Neither CR nor LF: no end of a head has this byte in it.
    if (byte !== 0x0a && byte !== 0x0d) at += 4;
    else if (bytes[at] === 0x0d && bytes[at + 1] === 0x0a && bytes[at + 2] === 0x0d && byte === 0x0a)
      return at;
    else at += 1;
  }
  return -1;
}
