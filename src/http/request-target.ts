/** Characters that cannot turn a host into something else: no `/`, `@`, `?`, `#`, no blank. */
const plainHost = /^[\w.-]+(?::\d{1,5})?$|^\[[\da-fA-F:.]+\](?::\d{1,5})?$/;

/**
 * Finds what the URL parser would change in a path: characters that it encodes, dot segments, and
 * backslashes. Without these the text is already what `new URL` would give, and the parser is saved.
 */
const oddPath = /[^\w\-~!$&()*+,;=:@%/?.[\]|]|\/\.|\/%2e/i;

/** What a request is for. */
export interface Resource {
  /** Normalised as `new Request` would do, so that a router and a handler that parses it again never see different paths. */
  readonly url: string;
  readonly host: string;
  /** Path and query as they were sent, or `*`. */
  readonly target: string;
}

const absolute = /^https?:\/\/([^/?#@\\]+)(\/[^#]*|\?[^#]*)?$/i;
const printable = /^[\x21-\x7e]*$/;
/** No URI holds these, and the URL parser reads them in a way that a proxy may not: as the end of the path, and as a slash. */
const misleading = /#|^[^?]*\\/;

const usualMethods: ReadonlySet<string> = new Set([
  "GET",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "HEAD",
  "OPTIONS",
]);
/** `Request` writes these in capitals (and does not take `connect`): a router would see another method than a handler. */
const oddMethods = /^(?:connect|delete|get|head|options|post|put)$/i;

/**
 * Finds out what a request is for. The scheme is the connection's, whatever an absolute target says of it: handlers must
 * be able to believe it.
 *
 * @param host - the Host field, or `:authority`
 * @param target - request target (`:path`): a path, an absolute URL, or `*`
 * @returns the status to respond with when there is no such thing
 */
export function resourceOf(
  scheme: "http" | "https",
  host: string,
  target: string,
  method: string,
): Resource | 400 | 405 | 501 {
  // A tunnel is nothing that this server makes.
  if (method === "CONNECT") return 405;
  if (!usualMethods.has(method) && oddMethods.test(method)) return 501;
  if (target.charCodeAt(0) === 0x2f /* / */) {
    const url = urlOf(scheme, host, target);
    return url === undefined ? 400 : { url, host, target };
  }
  if (target === "*") {
    const url = method === "OPTIONS" ? urlOf(scheme, host, "/*") : undefined;
    return url === undefined ? 400 : { url, host, target };
  }
  const parts = absolute.exec(target);
  if (parts === null) return 400;
  // RFC 9112, section 3.2.2: an absolute target overrides the Host field, which must be one all the same.
  if (urlOf(scheme, host, "/") === undefined) return 400;
  const [, authority = "", rest = ""] = parts;
  const path = rest.startsWith("/") ? rest : `/${rest}`;
  const url = urlOf(scheme, authority, path);
  return url === undefined ? 400 : { url, host: authority, target: path };
}

function urlOf(scheme: "http" | "https", host: string, path: string): string | undefined {
  if (host !== lastHost) {
    lastHost = host;
    lastHostKind = kindOf(host);
  }
  if (lastHostKind === "malformed") return undefined;
  const url = `${scheme}://${host}${path}`;
  if (lastHostKind === "plain" && !oddPath.test(path)) return url;
  return printable.test(path) && !misleading.test(path) ? normalised(url) : undefined;
}

type HostKind = "plain" | "odd" | "malformed";

/** The host that was seen last, because a server is mostly called by one name. */
let lastHost = "";
let lastHostKind: HostKind = "malformed";

/** Odd is a host that the URL parser would write in another way. */
function kindOf(host: string): HostKind {
  if (!plainHost.test(host)) return "malformed";
  return normalised(`http://${host}/`) === `http://${host}/` ? "plain" : "odd";
}

function normalised(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) return undefined;
  url.hash = "";
  return url.href;
}
