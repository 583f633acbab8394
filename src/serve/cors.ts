import { type HeaderSource, token } from "../core/headers.ts";
import { isThenable } from "../core/hooks.ts";
import {
  checkBoolean,
  checkNumber,
  checkOptions,
  type OptionKeys,
  orDefault,
  shown,
} from "../core/options.ts";
import { pushbackHeader } from "../http/pushback.ts";

const knownCorsOptions: OptionKeys<CorsOptions> = {
  origins: true,
  methods: true,
  headers: true,
  exposeHeaders: true,
  credentials: true,
  maxAgeSeconds: true,
};

/** Which pages of other origins may call, by REST, Connect and gRPC-Web alike. */
export interface CorsOptions {
  /**
   * Origins that may read responses: a list, a function that decides at once, or `"*"` for all. An origin is a scheme, a
   * host and a port that is not the scheme's own: `"https://app.example"`. A function is given `"null"` for pages that
   * have no origin, such as files and sandboxed frames; a list cannot hold that.
   */
  readonly origins: "*" | readonly string[] | ((origin: string) => boolean);
  /**
   * Methods of REST routes, in upper case. RPCs have those of their protocol: POST, and GET for methods without side
   * effects. @default ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]
   */
  readonly methods?: readonly string[];
  /** Request headers allowed, beside those of the RPC protocols. @default those that the preflight asks for */
  readonly headers?: readonly string[];
  /**
   * Response headers that scripts may read, beside those of the RPC protocols. For RPCs they are names of metadata, in the
   * trailers as well. @default ["x-request-id", "retry-after", "ratelimit"]
   */
  readonly exposeHeaders?: readonly string[];
  /** Whether cookies and client certificates may come along; not with `"*"`. @default false */
  readonly credentials?: boolean;
  /** How long browsers may reuse a preflight's response, in seconds; most of them stop at 7200. @default 600 */
  readonly maxAgeSeconds?: number;
}

/** What a request asks for: a REST route, or an RPC by Connect or gRPC-Web. */
export type CorsTarget = "rest" | "rpc";

/** Cross-origin resource sharing, prepared. */
export interface Cors {
  /** Whether the request is a preflight, which gets its response here and goes no further. */
  isPreflight(method: string, request: HeaderSource): boolean;
  /** The header fields of the response to a preflight, a 204; without permissions when the origin is not allowed. */
  preflight(request: HeaderSource, target: CorsTarget): Headers;
  /**
   * Adds to the headers of a response what the request's origin needs. Never throws: where the function that decides on
   * origins does, that is told, and pages of other origins cannot read the response; nothing else changes.
   */
  apply(request: HeaderSource, response: Headers, target: CorsTarget, report: (error: unknown) => void): void;
}

/** What scripts send with Connect and gRPC-Web, as Connect's own clients and those of gRPC do. */
const rpcRequestHeaders = [
  "content-type",
  "connect-protocol-version",
  "connect-timeout-ms",
  "connect-content-encoding",
  "connect-accept-encoding",
  "content-encoding",
  "accept-encoding",
  "grpc-timeout",
  "grpc-encoding",
  "grpc-accept-encoding",
  "grpc-message-type",
  "x-grpc-web",
  "x-user-agent",
];
/** Without the status fields a client of gRPC-Web takes every response for a failure. */
const rpcResponseHeaders = [
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin",
  "grpc-encoding",
  "content-encoding",
  "connect-content-encoding",
  pushbackHeader,
];

/**
 * Prepares CORS.
 *
 * @throws TypeError | RangeError when an option has the wrong type, or `"*"` is combined with credentials
 */
export function createCors(options: CorsOptions): Cors {
  const who = "cors";
  checkOptions(who, options, knownCorsOptions);
  const { origins } = options;
  const credentials = checkBoolean(who, "credentials", options.credentials) ?? false;
  checkOrigins(origins);
  if (origins === "*" && credentials) {
    throw new TypeError('Cannot make cors: credentials do not go with origins "*"; list the origins');
  }
  const maxAge = String(
    checkNumber(who, "maxAgeSeconds", orDefault(options.maxAgeSeconds, 600), { integer: true }),
  );
  const methods = checkMethods(options.methods) ?? ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"];
  const headers = checkNames("headers", options.headers, credentials);
  const ownExposed = checkNames("exposeHeaders", options.exposeHeaders, credentials);
  const exposed = ownExposed ?? ["x-request-id", "retry-after", "ratelimit"];
  // In Connect's unary calls trailers travel as header fields with this prefix.
  const trailers = (ownExposed ?? []).filter((name) => name !== "*").map((name) => `trailer-${name}`);
  const allowed = allowedBy(origins);
  const grants: Readonly<Record<CorsTarget, Grant>> = {
    rest: {
      methods: methods.join(", "),
      headers: headers?.join(", "),
      exposed: exposed.join(", "),
    },
    rpc: {
      methods: "POST, GET",
      headers: headers && [...rpcRequestHeaders, ...headers].join(", "),
      exposed: [...rpcResponseHeaders, ...exposed, ...trailers].join(", "),
    },
  };

  function permit(request: HeaderSource, response: Headers): boolean {
    // The response depends on the origin, also where there is none: caches must know.
    if (origins !== "*") addVary(response, "origin");
    const origin = request.get("origin");
    if (origin == null || !allowed(origin)) return false;
    response.set("access-control-allow-origin", origins === "*" ? "*" : origin);
    if (credentials) response.set("access-control-allow-credentials", "true");
    return true;
  }

  return {
    isPreflight: (method, request) =>
      method === "OPTIONS" &&
      request.get("origin") != null &&
      request.get("access-control-request-method") != null,
    preflight(request, target) {
      const response = new Headers();
      if (!permit(request, response)) return response;
      const { methods, headers } = grants[target];
      response.set("access-control-allow-methods", methods);
      response.set("access-control-max-age", maxAge);
      if (headers === undefined) addVary(response, "access-control-request-headers");
      const asked = headers ?? request.get("access-control-request-headers");
      if (asked != null && asked !== "") response.set("access-control-allow-headers", asked);
      return response;
    },
    apply(request, response, target, report) {
      const { exposed } = grants[target];
      try {
        if (permit(request, response) && exposed !== "") {
          response.set("access-control-expose-headers", exposed);
        }
      } catch (error) {
        report(error);
      }
    },
  };
}

/** What pages are granted of one kind of target, each list as one text. */
interface Grant {
  readonly methods: string;
  /** Undefined for those that are asked for. */
  readonly headers: string | undefined;
  readonly exposed: string;
}

function addVary(headers: Headers, name: string): void {
  const before = headers.get("vary");
  const named = before?.split(",").some((each) => ["*", name].includes(each.trim().toLowerCase()));
  if (named !== true) headers.append("vary", name);
}

const foreignOrigin = /^[a-z][a-z\d+.-]*:\/\/[^\s/?#@*]+$/;

/** @throws TypeError for origins that no browser would send */
function checkOrigins(origins: unknown): void {
  if (origins === "*" || typeof origins === "function") return;
  if (!Array.isArray(origins)) {
    const given = origins === undefined ? "missing" : shown(origins);
    throw new TypeError(`Cannot make cors: origins is ${given}; pass a list, a function or "*"`);
  }
  origins.forEach((origin: unknown, index) => {
    const remedy =
      typeof origin === "string" ? remedyFor(origin) : 'pass an origin such as "https://app.example"';
    if (remedy === undefined) return;
    throw new TypeError(`Cannot make cors: origins[${index}] is ${JSON.stringify(origin)}; ${remedy}`);
  });
}

/** What to write instead; undefined when the origin is as browsers send it. */
function remedyFor(origin: string): string | undefined {
  if (origin === "*") return 'pass "*" itself, without the list';
  if (origin.includes("*")) return "there are no patterns; pass a function";
  const exact = URL.canParse(origin) ? new URL(origin).origin : "null";
  // Of schemes that are not the web's (`capacitor://localhost`), URLs tell no origin.
  const asSent = exact === "null" ? foreignOrigin.test(origin) : exact === origin;
  if (asSent) return undefined;
  return `browsers send ${exact === "null" ? 'an origin such as "https://app.example"' : JSON.stringify(exact)}`;
}

/** @throws TypeError for what is no list of methods as browsers compare them, letter by letter */
function checkMethods(methods: readonly string[] | undefined): readonly string[] | undefined {
  checkTokens("methods", methods)?.forEach((method, index) => {
    if (method === method.toUpperCase()) return;
    throw new TypeError(
      `Cannot make cors: methods[${index}] is "${method}"; methods are compared letter by letter, pass "${method.toUpperCase()}"`,
    );
  });
  return methods;
}

/** @throws TypeError for what is no list of header names */
function checkNames(
  option: string,
  names: readonly string[] | undefined,
  credentials: boolean,
): readonly string[] | undefined {
  if (checkTokens(option, names)?.includes("*") === true && credentials) {
    throw new TypeError(`Cannot make cors: "*" in ${option} means nothing with credentials; list the names`);
  }
  return names;
}

function checkTokens(option: string, list: readonly string[] | undefined): readonly string[] | undefined {
  if (list === undefined) return undefined;
  if (Array.isArray(list) && list.every((each) => typeof each === "string" && token.test(each))) return list;
  throw new TypeError(`Cannot make cors: ${option} is ${JSON.stringify(list)}; pass a list of names`);
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
