/** Characters that cannot turn a host into something else: no `/`, `@`, `?`, `#`, no blank. */
const plainHost = /^[\w.-]+(?::\d{1,5})?$|^\[[\da-fA-F:.]+\](?::\d{1,5})?$/;

/**
 * Finds what the URL parser would change in a path: characters that it encodes, dot segments, and
 * backslashes. Without these the text is already what `new URL` would give, and the parser is saved.
 */
const oddPath = /[^\w\-~!$&()*+,;=:@%/?.[\]|]|\/\.|\/%2e/i;

/**
 * The absolute URL of a request, normalised as `new Request` would do, so that a router and a handler
 * that parses the URL again never see different paths.
 *
 * @param target - request target (`:path`): a path, an absolute URL, or `*`
 * @returns undefined when host or target is malformed, which is answered with 400
 */
export function urlFromTarget(scheme: "http" | "https", host: string, target: string): string | undefined {
  if (host !== lastHost) {
    lastHost = host;
    lastHostKind = kindOf(host);
  }
  if (target.charCodeAt(0) === 0x2f /* / */) {
    if (lastHostKind === "malformed") return undefined;
    const url = `${scheme}://${host}${target}`;
    return lastHostKind === "odd" || oddPath.test(target) ? normalised(url) : url;
  }
  if (target === "*") return lastHostKind === "malformed" ? undefined : normalised(`${scheme}://${host}/*`);
  // RFC 9112, section 3.2.2: an absolute target overrides the Host header.
  return /^https?:\/\/[^/?#@\\]+(?:[/?]|$)/i.test(target) ? normalised(target) : undefined;
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
