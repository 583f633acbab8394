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
  if (target.charCodeAt(0) === 0x2f /* / */) {
    if (!plainHost.test(host)) return undefined;
    const url = `${scheme}://${host}${target}`;
    return oddPath.test(target) || !isCanonicalHost(host) ? normalised(url) : url;
  }
  if (target === "*") return plainHost.test(host) ? normalised(`${scheme}://${host}/*`) : undefined;
  // RFC 9112, section 3.2.2: an absolute target overrides the Host header.
  return /^https?:\/\/[^/?#@\\]+(?:[/?]|$)/i.test(target) ? normalised(target) : undefined;
}

/** The host that was seen last, because a server is mostly called by one name. */
let lastHost = "";
let lastWasCanonical = true;

function isCanonicalHost(host: string): boolean {
  if (host !== lastHost) {
    lastHost = host;
    lastWasCanonical = normalised(`http://${host}/`) === `http://${host}/`;
  }
  return lastWasCanonical;
}

function normalised(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) return undefined;
  url.hash = "";
  return url.href;
}
