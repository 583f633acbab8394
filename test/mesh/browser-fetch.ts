/**
 * A page's `fetch`, as far as origins go: what the Fetch standard asks of a browser (sections 3.2 and 4.8), without the
 * cache of preflights. The servers' side is real.
 */
export interface BrowserPage {
  readonly origin: string;
  /** Whether cookies would come along: wildcards mean nothing then. @default false */
  readonly credentials?: boolean;
}

/** Sends a request as the page's browser puts it on the wire. */
export type Send = (request: Request) => Response | Promise<Response>;

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST"]);
const safeRequestHeaders: ReadonlySet<string> = new Set(["accept", "accept-language", "content-language"]);
const safeTypes: ReadonlySet<string> = new Set([
  "application/x-www-form-urlencoded",
  "multipart/form-data",
  "text/plain",
]);
const safeResponseHeaders: ReadonlySet<string> = new Set([
  "cache-control",
  "content-language",
  "content-length",
  "content-type",
  "expires",
  "last-modified",
  "pragma",
]);

function isSafe(name: string, value: string): boolean {
  if (name === "content-type") return safeTypes.has(value.split(";")[0]?.trim().toLowerCase() ?? "");
  return safeRequestHeaders.has(name);
}

function listIn(response: Response, name: string): readonly string[] {
  const text = response.headers.get(name) ?? "";
  return text.split(",").map((each) => each.trim().toLowerCase());
}

function blocked(why: string): TypeError {
  return new TypeError(`Failed to fetch: ${why}`);
}

/** The CORS check, section 4.9. */
function check(page: BrowserPage, response: Response): void {
  const allowed = response.headers.get("access-control-allow-origin");
  if (page.credentials !== true && allowed === "*") return;
  if (allowed !== page.origin) throw blocked(`access-control-allow-origin is ${allowed}`);
  if (page.credentials !== true) return;
  if (response.headers.get("access-control-allow-credentials") !== "true") throw blocked("no credentials");
}

/** The CORS-preflight fetch, section 4.8. */
async function preflight(page: BrowserPage, request: Request, unsafe: string[], send: Send): Promise<void> {
  const headers = new Headers({ origin: page.origin, "access-control-request-method": request.method });
  if (unsafe.length > 0) headers.set("access-control-request-headers", unsafe.join(","));
  const response = await send(new Request(request.url, { method: "OPTIONS", headers }));
  check(page, response);
  if (!response.ok) throw blocked(`the preflight has status ${response.status}`);
  const stars = page.credentials !== true;
  const methods = (response.headers.get("access-control-allow-methods") ?? "")
    .split(",")
    .map((each) => each.trim());
  if (
    !methods.includes(request.method) &&
    !safeMethods.has(request.method) &&
    !(stars && methods.includes("*"))
  ) {
    throw blocked(`the method ${request.method} is not allowed`);
  }
  const names = listIn(response, "access-control-allow-headers");
  for (const name of unsafe) {
    const starred = stars && names.includes("*") && name !== "authorization";
    if (!names.includes(name) && !starred) throw blocked(`the header ${name} is not allowed`);
  }
}

/** Makes the `fetch` of a page; what the page may not see is left out of the response. */
export function browserFetch(page: BrowserPage, send: Send): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    // Chromium keeps scripts from setting it.
    request.headers.delete("user-agent");
    const unsafe = [...request.headers]
      .filter(([name, value]) => !isSafe(name, value))
      .map(([name]) => name)
      .sort();
    if (!safeMethods.has(request.method) || unsafe.length > 0) await preflight(page, request, unsafe, send);
    const headers = new Headers(request.headers);
    headers.set("origin", page.origin);
    const response = await send(new Request(request, { headers }));
    check(page, response);
    const exposed = listIn(response, "access-control-expose-headers");
    const all = page.credentials !== true && exposed.includes("*");
    const visible = [...response.headers].filter(
      ([name]) => safeResponseHeaders.has(name) || all || exposed.includes(name),
    );
    return new Response(response.body, { status: response.status, headers: visible });
  };
}
