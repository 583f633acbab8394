import { bytesOf } from "../http/http1/connection-fixture.ts";
import type { Dice } from "../support/dice.ts";
import { cut, joined } from "../support/mutate.ts";

/** A request as a client means it. */
export interface GeneratedRequest {
  readonly method: string;
  readonly target: string;
  readonly body: Uint8Array;
  /** Whether another one may follow it on its connection. */
  readonly last: boolean;
  /** How it is written, in parts that belong together. */
  readonly pieces: readonly Uint8Array[];
}

const methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "M-SEARCH"];
const spellings: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toUpperCase(),
  (name) => name.replace(/(^|-)\w/g, (letter) => letter.toUpperCase()),
];
const blanks = ["", " ", "  ", "\t", " \t "];

function field(dice: Dice, name: string, value: string): string {
  return `${dice.pick(spellings)(name)}:${dice.pick(blanks)}${value}${dice.pick(blanks)}\r\n`;
}

function chunked(dice: Dice, body: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (const chunk of body.length === 0 ? [] : cut(dice, body)) {
    const zeros = "0".repeat(dice.chance(0.1) ? dice.below(4) : 0);
    const size = dice.pick([(text: string) => text, (text: string) => text.toUpperCase()])(
      chunk.length.toString(16),
    );
    const extension = dice.chance(0.1) ? dice.pick([";", ";a", ';a="b;c"', " ;a=b".trimStart()]) : "";
    pieces.push(bytesOf(`${zeros}${size}${extension}\r\n`), chunk, bytesOf("\r\n"));
  }
  const trailers = dice.chance(0.2) ? `x-trailer: ${dice.text(5)}\r\nhost: b\r\n` : "";
  pieces.push(bytesOf(`${dice.pick(["0", "00", "0;a=b"])}\r\n${trailers}\r\n`));
  return pieces;
}

/**
 * A request that keeps to RFC 9112, in one of the many ways to write it.
 *
 * @param path - what it asks for
 * @param mayEnd - whether it may be one behind which the connection ends
 */
export function requestOf(dice: Dice, path: string, mayEnd = true, maxBody = 3_000): GeneratedRequest {
  const method = dice.pick(methods);
  const minor = mayEnd && dice.chance(0.1) ? 0 : 1;
  const keepAlive = mayEnd && dice.chance(0.1) ? dice.pick(["close", "keep-alive"]) : undefined;
  const target = method === "M-SEARCH" || dice.chance(0.9) ? path : `http://a${path}`;
  const framing = dice.pick(minor === 0 ? ["none", "length"] : ["none", "length", "chunks"]);
  const content = framing === "none" ? new Uint8Array(0) : bodyOf(dice, maxBody);
  const fields = [field(dice, "host", "a")];
  for (let count = dice.below(4); count > 0; count--) {
    fields.push(field(dice, `x-${dice.text(4)}`, dice.text(dice.size(20), 'abc,;=" \t\xe9').trim()));
  }
  if (framing === "length") fields.push(field(dice, "content-length", String(content.length)));
  if (framing === "chunks") {
    fields.push(field(dice, "transfer-encoding", dice.pick(["chunked", "Chunked", "CHUNKED"])));
  }
  // A handler sees no body of these, and a server that lets nobody send on closes.
  const bodyless = method === "GET" || method === "HEAD";
  if (framing !== "none" && !bodyless && dice.chance(0.15))
    fields.push(field(dice, "expect", "100-continue"));
  if (keepAlive !== undefined) fields.push(field(dice, "connection", keepAlive));
  const at = dice.below(fields.length);
  fields.push(...fields.splice(0, at));
  const before = dice.chance(0.1) ? "\r\n".repeat(dice.between(1, 3)) : "";
  const head = `${before}${method} ${target} HTTP/1.${minor}\r\n${fields.join("")}\r\n`;
  const body = framing === "chunks" ? chunked(dice, content) : [content];
  return {
    method,
    target,
    body: content,
    last: keepAlive === "close" || (minor === 0 && keepAlive === undefined),
    pieces: [bytesOf(head), ...body.filter((piece) => piece.length > 0)],
  };
}

/** Often it looks like a request itself. */
function bodyOf(dice: Dice, limit: number): Uint8Array {
  if (dice.chance(0.5)) return dice.bytes(dice.size(limit));
  return bytesOf(dice.pick([smuggled, `0\r\n\r\n${smuggled}`, "\r\n\r\n", "\r\n0\r\n\r\n"]));
}

function getOf(path: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
}

/** What no server may take for a request where it is none. */
export const smuggled: string = getOf("/smuggled");

/** Requests of one connection; all but the last leave it open. */
export function requestsOf(dice: Dice, pathOf: (index: number) => string): GeneratedRequest[] {
  const requests: GeneratedRequest[] = [];
  for (let count = dice.between(1, 8); count > 0; count--) {
    requests.push(requestOf(dice, pathOf(requests.length)));
  }
  return requests;
}

/** The requests that a server must see: none behind one that ends the connection. */
export function seenOf(requests: readonly GeneratedRequest[]): readonly GeneratedRequest[] {
  const last = requests.findIndex((request) => request.last);
  return last === -1 ? requests : requests.slice(0, last + 1);
}

/** What is wrong for sure; whatever stands behind it must not become a request. */
const wrongHeads: readonly string[] = [
  "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 5\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0x5\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
  "POST /x HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\nx: y\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\nx: y\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\nx: y\rz: a\r\n\r\n",
  "POST /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
  "POST /x HTTP/1.1\r\n\r\n",
  "POST /x\r\n\r\n",
  "GET /x HTTP/2.0\r\nhost: a\r\n\r\n",
  "GET /x y HTTP/1.1\r\nhost: a\r\n\r\n",
  "GET\t/x HTTP/1.1\r\nhost: a\r\n\r\n",
  "GET /x HTTP/1.1\r\nho st: a\r\n\r\n",
  "GET /x HTTP/1.1\r\n: a\r\nhost: a\r\n\r\n",
  "GET /x HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n",
];
const wrongBodies: readonly string[] = [
  "5\r\nhello0\r\n\r\n",
  "5\r\nhelloo\r\n0\r\n\r\n",
  "5\nhello\r\n0\r\n\r\n",
  "5 \r\nhello\r\n0\r\n\r\n",
  "-1\r\nhello\r\n0\r\n\r\n",
  "0x5\r\nhello\r\n0\r\n\r\n",
  "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
  "5;a\nb\r\nhello\r\n0\r\n\r\n",
  "\r\n0\r\n\r\n",
  "0\r\nno colon\r\n\r\n",
  "0\r\n x: y\r\n\r\n",
  "0\r\n\n",
  "0\n\r\n",
];

/** A request that is wrong, with a whole one behind it for a path; and whether its head can be taken. */
export function wrongRequest(
  dice: Dice,
  path = "/smuggled",
): { readonly bytes: Uint8Array; readonly begins: boolean } {
  const begins = dice.chance(0.4);
  const head = "POST /wrong HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
  const text = begins ? head + dice.pick(wrongBodies) : dice.pick(wrongHeads);
  return { bytes: joined([bytesOf(text), bytesOf(getOf(path))]), begins };
}
