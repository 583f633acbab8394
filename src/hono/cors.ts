import { isThenable } from "../core/hooks.ts";
import { checkNumber, checkOptions, type OptionKeys } from "../core/options.ts";

const knownCorsOptions: OptionKeys<CorsOptions> = {
  origins: true,
  methods: true,
  headers: true,
  exposeHeaders: true,
  credentials: true,
  maxAgeSeconds: true,
};

/** Options of the chain's CORS. */
export interface CorsOptions {
  /** Origins that may read responses: a list, a function that decides at once, or `"*"` for all. */
  readonly origins: "*" | readonly string[] | ((origin: string) => boolean);
  /** @default ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"] */
  readonly methods?: readonly string[];
  /** Request headers allowed. @default those that the preflight asks for */
  readonly headers?: readonly string[];
  /** Response headers that scripts may read. @default ["x-request-id", "retry-after", "ratelimit"] */
  readonly exposeHeaders?: readonly string[];
  /** Whether cookies and client certificates may come along; not with `"*"`. @default false */
  readonly credentials?: boolean;
  /** How long browsers may reuse a preflight's response, in seconds. @default 600 */
  readonly maxAgeSeconds?: number;
}

/** Cross-origin resource sharing, prepared. */
export interface Cors {
  /** Whether the request is a preflight, which gets its response here and goes no further. */
  isPreflight(request: Request): boolean;
  /** The response to a preflight; one without permissions when the origin is not allowed. */
  preflight(request: Request): Response;
  /** Adds to the headers of a response what the request's origin needs. */
  apply(request: Request, headers: Headers): void;
}

/**
 * Prepares CORS.
 *
 * @throws TypeError | RangeError when an option has the wrong type, or `"*"` is combined with credentials
 */
export function createCors(options: CorsOptions): Cors {
  const who = "cors";
  checkOptions(who, options, knownCorsOptions);
  const { origins, credentials = false } = options;
  if (origins !== "*" && !Array.isArray(origins) && typeof origins !== "function") {
    throw new TypeError('Cannot make cors: origins is missing; pass a list, a function or "*"');
  }
  if (origins === "*" && credentials) {
    throw new TypeError('Cannot make cors: credentials do not go with origins "*"; list the origins');
  }
  const maxAge = String(checkNumber(who, "maxAgeSeconds", options.maxAgeSeconds ?? 600, { integer: true }));
  const methods = (options.methods ?? ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]).join(", ");
  const allowHeaders = options.headers?.join(", ");
  const expose = (options.exposeHeaders ?? ["x-request-id", "retry-after", "ratelimit"]).join(", ");
  const allowed = allowedBy(origins);

  function permit(request: Request, headers: Headers): boolean {
    // The response depends on the origin, also where there is none: caches must know.
    if (origins !== "*") headers.append("vary", "origin");
    const origin = request.headers.get("origin");
    if (origin === null || !allowed(origin)) return false;
    headers.set("access-control-allow-origin", origins === "*" ? "*" : origin);
    if (credentials) headers.set("access-control-allow-credentials", "true");
    return true;
  }

  return {
    isPreflight: (request) =>
      request.method === "OPTIONS" &&
      request.headers.has("origin") &&
      request.headers.has("access-control-request-method"),
    preflight(request) {
      const headers = new Headers();
      if (permit(request, headers)) {
        headers.set("access-control-allow-methods", methods);
        headers.set("access-control-max-age", maxAge);
        const sentRequest = allowHeaders ?? request.headers.get("access-control-request-headers");
        if (allowHeaders === undefined) headers.append("vary", "access-control-request-headers");
        if (sentRequest !== null && sentRequest !== "")
          headers.set("access-control-allow-headers", sentRequest);
      }
      return new Response(null, { status: 204, headers });
    },
    apply(request, headers) {
      if (permit(request, headers) && expose !== "") headers.set("access-control-expose-headers", expose);
    },
  };
}

function allowedBy(origins: CorsOptions["origins"]): (origin: string) => boolean {
  if (origins === "*") return () => true;
  if (typeof origins === "function") return (origin) => decided(origins(origin));
  const list: ReadonlySet<string> = new Set(origins);
  return (origin) => list.has(origin);
}

/** Only `true` permits: a promise is truthy, and would permit every origin. */
function decided(allowed: unknown): boolean {
  if (isThenable(allowed)) {
    allowed.then(undefined, () => {});
    throw new TypeError(
      "Cannot decide on an origin: the function in cors.origins returned a promise; decide at once",
    );
  }
  return allowed === true;
}
