/** What a client calls. */
export interface ClientTarget {
  /** The service as policies, metrics and errors name it; the host of a URL. */
  readonly service: string;
  /** Scheme, host and port of a URL: an origin outside of the mesh. Undefined for a service that the resolver knows. */
  readonly origin: string | undefined;
  /** What comes before each path: `/v1`; empty for none. */
  readonly basePath: string;
}

const isUrl = /^[a-z][a-z\d+.-]*:\/\//i;

/** @throws TypeError when it is no URL that can be called */
function parsed(wrong: (what: string, remedy: string) => TypeError, text: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.username !== "" || url.password !== "")) {
    // The message must not repeat the secret.
    throw wrong(
      `a URL of ${url.host} that holds a user name or password`,
      "pass credentials in the authorization header",
    );
  }
  const shown = JSON.stringify(text);
  if (url?.protocol === "mesh:") {
    throw wrong(`the URL ${shown}`, `pass the name of the service: ${JSON.stringify(url.host)}`);
  }
  if (url === null) throw wrong(`${shown}, which is no URL`, 'pass one such as "https://api.example.com/v1"');
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw wrong(`${shown}, which is neither http nor https`, "pass one that is");
  }
  return url;
}

/**
 * The service or origin that is meant by what a client is made for.
 *
 * @throws TypeError when it is neither a name nor a URL that can be called
 */
export function clientTarget(given: unknown): ClientTarget {
  if (typeof given !== "string" || given === "") {
    const shown = typeof given === "string" || given === null ? JSON.stringify(given) : typeof given;
    throw new TypeError(
      `Cannot make a client: the service's name is ${shown}; pass the name that the resolver knows it by, or a URL`,
    );
  }
  if (!isUrl.test(given)) return { service: given, origin: undefined, basePath: "" };
  const wrong = (what: string, remedy: string): TypeError =>
    new TypeError(`Cannot make a client: it is for ${what}; ${remedy}`);
  const url = parsed(wrong, given);
  if (url.search !== "" || url.hash !== "") {
    throw wrong(`a URL of ${url.host} with a query or a fragment`, "pass the query as an option");
  }
  return { service: url.host, origin: url.origin, basePath: url.pathname.replace(/\/+$/, "") };
}

/**
 * The name of the service that an entry of the policies is about: itself, or the host of an origin.
 *
 * @throws TypeError when it is a URL, and no origin
 */
export function policyName(key: string): string {
  if (!isUrl.test(key)) return key;
  const wrong = (what: string, remedy: string): TypeError =>
    new TypeError(`Cannot make the policies of createMesh(): an entry is for ${what}; ${remedy}`);
  const url = parsed(wrong, key);
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw wrong(`${JSON.stringify(key)}, which goes beyond scheme, host and port`, `pass "${url.origin}"`);
  }
  return url.host;
}
