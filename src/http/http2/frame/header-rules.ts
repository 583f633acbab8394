import { token } from "../../../core/headers.ts";
import { type Fields, isPseudo } from "../../fields.ts";

const schemePattern = /^[A-Za-z][A-Za-z0-9+\-.]*$/;

// The characters of names and values were looked at when they were decoded: see HpackDecoder.malformed.

/** What is wrong with a field that follows the pseudo-headers; undefined when nothing is. */
function faultOf(name: string, value: string): string | undefined {
  if (isPseudo(name)) return `the pseudo-header ${name} does not belong here`;
  if (name === "te" && value !== "trailers") return "te may only say trailers";
  return undefined;
}

/** What is wrong with a request's header block (RFC 9113, section 8.3.1); undefined when nothing is. */
export function requestFault(fields: Fields): string | undefined {
  let method: string | undefined;
  let scheme: string | undefined;
  let path: string | undefined;
  let authority: string | undefined;
  let at = 0;
  for (; at < fields.length; at += 2) {
    const name = fields[at]!;
    const value = fields[at + 1]!;
    if (!isPseudo(name)) break;
    if (name === ":method" && method === undefined) method = value;
    else if (name === ":scheme" && scheme === undefined) scheme = value;
    else if (name === ":path" && path === undefined) path = value;
    else if (name === ":authority" && authority === undefined) authority = value;
    else return `the pseudo-header ${JSON.stringify(name)} is unknown or there twice`;
  }
  let host: string | undefined;
  for (; at < fields.length; at += 2) {
    const name = fields[at]!;
    const fault = faultOf(name, fields[at + 1]!);
    if (fault !== undefined) return fault;
    if (name !== "host") continue;
    if (host !== undefined) return "the request names its host twice";
    host = fields[at + 1]!;
  }
  if (host !== undefined && authority !== undefined && !isSameHost(host, authority)) {
    return "the host is not that of :authority";
  }
  return targetFault(method, scheme, path, authority);
}

/** Both must name the same server, whichever of the two is looked at. */
function isSameHost(host: string, authority: string): boolean {
  return host === authority || host.toLowerCase() === authority.toLowerCase();
}

function isScheme(scheme: string): boolean {
  return scheme === "http" || scheme === "https" || schemePattern.test(scheme);
}

/** What is wrong with the pseudo-headers taken together. */
function targetFault(
  method: string | undefined,
  scheme: string | undefined,
  path: string | undefined,
  authority: string | undefined,
): string | undefined {
  if (method === undefined || !token.test(method)) return "the request has no :method";
  if (method === "CONNECT") {
    const plain = scheme === undefined && path === undefined && authority !== undefined;
    return plain ? undefined : "CONNECT wants an :authority, and neither :scheme nor :path";
  }
  if (scheme === undefined || !isScheme(scheme)) return "the request has no :scheme";
  if (path === undefined || path === "") return "the request has no :path";
  if (path.includes(" ") || path.includes("\t")) return "the :path holds a blank";
  if (path.charCodeAt(0) === 0x2f || (path === "*" && method === "OPTIONS")) return undefined;
  return "the :path does not start with a slash";
}

/** What is wrong with a response's header block; undefined when nothing is. */
export function responseFault(fields: Fields): string | undefined {
  if (fields[0] !== ":status" || !/^[1-9]\d\d$/.test(fields[1]!)) return "the response has no :status";
  for (let at = 2; at < fields.length; at += 2) {
    const fault = faultOf(fields[at]!, fields[at + 1]!);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What is wrong with trailers; undefined when nothing is. */
export function trailersFault(fields: Fields): string | undefined {
  for (let at = 0; at < fields.length; at += 2) {
    const fault = faultOf(fields[at]!, fields[at + 1]!);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
