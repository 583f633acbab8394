/** What one query parameter may be; `undefined` leaves it out, an array repeats it. */
export type QueryValue = string | number | boolean | bigint | undefined;

/** Query parameters. */
export type Query = Readonly<Record<string, QueryValue | readonly QueryValue[]>> | URLSearchParams;

/** A URL as error messages show it: neither credentials nor a query, which may hold some, belong there. */
export function shownUrl(href: string): string {
  return href.replace(/[?#].*$/s, "").replace(/\/\/[^/@]*@/, "//");
}

/** Characters that a path and its query may hold as they are (RFC 3986). */
const plain = /^[\w\-.~!$&'()*+,;=:@/%?]*$/;
const notPlain = /[^\w\-.~!$&'()*+,;=:@/%?]/gu;
const absolute = /^(?:[a-z][a-z\d+.-]*:)?\/\//i;
const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?=\/|\?|$)/i;
/** URL parsers drop tabs and line ends, and take a backslash for a slash. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const treacherous = /[\u0000-\u001f\u007f\\]/;

/**
 * Makes the request target, from its slash on, of a path within a service and a query.
 *
 * The path cannot leave the service: no host, no `..`, nothing that a URL parser on the way would read as one.
 *
 * @param who - the start of the error message: `Cannot call lake`
 * @throws TypeError when path or query cannot be sent
 */
export function targetFrom(who: string, path: string, query: Query | undefined): string {
  const target = `/${checkedPath(who, path)}`;
  if (query === undefined) return target;
  const text = query instanceof URLSearchParams ? query.toString() : queryText(who, query);
  if (text === "") return target;
  return `${target}${target.includes("?") ? "&" : "?"}${text}`;
}

/** Both queries; of parameters of the same name, those of the second. */
export function mergeQuery(first: Query | undefined, then: Query | undefined): Query | undefined {
  if (then === undefined) return first;
  // What is no query is refused where the target is made.
  if (first === undefined || typeof then !== "object" || then === null || Array.isArray(then)) return then;
  return { ...parametersOf(first), ...parametersOf(then) };
}

function parametersOf(query: Query): Exclude<Query, URLSearchParams> {
  if (!(query instanceof URLSearchParams)) return query;
  return Object.fromEntries([...new Set(query.keys())].map((name) => [name, query.getAll(name)]));
}

function checkedPath(who: string, path: string): string {
  if (typeof path !== "string") throw new TypeError(`${who}: the path is ${typeof path}; pass a string`);
  if (treacherous.test(path)) {
    throw new TypeError(
      `${who}: the path ${JSON.stringify(path)} holds a control character or a backslash; encode it`,
    );
  }
  if (absolute.test(path)) {
    throw new TypeError(
      `${who}: the path "${path}" names a host; pass a path within the service, or use the mesh's fetch`,
    );
  }
  const encoded = plain.test(path) ? path : encodedPath(who, path);
  if (encoded.includes(".") || encoded.includes("%")) {
    const end = encoded.indexOf("?");
    if (dotSegment.test(end === -1 ? encoded : encoded.slice(0, end))) {
      throw new TypeError(`${who}: the path "${path}" has a segment "." or ".."; pass the path it means`);
    }
  }
  return encoded.startsWith("/") ? encoded.slice(1) : encoded;
}

function encodedPath(who: string, path: string): string {
  try {
    return path.replace(notPlain, encodeURIComponent);
  } catch {
    throw new TypeError(`${who}: the path ${JSON.stringify(path)} is no well-formed Unicode`);
  }
}

function queryText(who: string, query: Exclude<Query, URLSearchParams>): string {
  if (typeof query !== "object" || query === null || Symbol.iterator in query) {
    const given = query === null ? "null" : typeof query === "object" ? "a list" : typeof query;
    throw new TypeError(`${who}: query is ${given}; pass an object of parameters or URLSearchParams`);
  }
  let text = "";
  for (const name in query) {
    const value = query[name];
    const values = Array.isArray(value) ? (value as readonly QueryValue[]) : [value as QueryValue];
    for (const each of values) {
      if (each === undefined) continue;
      text += `${text === "" ? "" : "&"}${encodeURIComponent(name)}=${encodeURIComponent(scalar(who, name, each))}`;
    }
  }
  return text;
}

function scalar(who: string, name: string, value: QueryValue): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean" || typeof value === "bigint" || Number.isFinite(value)) return String(value);
  const shown = value === null ? "null" : typeof value === "number" ? String(value) : typeof value;
  throw new TypeError(
    `${who}: the query parameter ${name} is ${shown}; pass text, a finite number or a boolean`,
  );
}
