import type { IncomingHttpHeaders } from "node:http";

/** Fields of which the first one counts, as in Node's servers. */
const singular: ReadonlySet<string> = new Set([
  "authorization",
  "content-length",
  "content-type",
  "from",
  "host",
  "if-modified-since",
  "if-unmodified-since",
  "max-forwards",
  "proxy-authorization",
  "referer",
  "user-agent",
]);

/** The fields of a request (name, value, name, value) as Node's servers show them; pseudo-header fields are left out. */
export function incomingHeaders(fields: readonly string[]): IncomingHttpHeaders {
  const headers: Record<string, string> = {};
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    if (name.charCodeAt(0) === 0x3a || name === "__proto__") continue;
    const value = fields[at + 1]!;
    const before = headers[name];
    // "constructor" is there before anybody sends it.
    if (typeof before !== "string") headers[name] = value;
    else if (name === "cookie") headers[name] = `${before}; ${value}`;
    else if (!singular.has(name)) headers[name] = `${before}, ${value}`;
  }
  return headers;
}
