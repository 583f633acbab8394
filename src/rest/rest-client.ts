import { Call, type CallEventListener, type Idempotency } from "../core/call.ts";
import { checkCallLinks } from "../core/call-links.ts";
import type { Clock } from "../core/clock.ts";
import { meshHeaders } from "../core/headers.ts";
import { idempotencyFrom } from "../core/idempotency.ts";
import { checkBoolean, checkOptions, shown } from "../core/options.ts";
import type { Service } from "../core/service.ts";
import { type CallDefaults, callPolicyFrom, plainCallDefaults } from "../policy/call-policy.ts";
import type { HttpResponse } from "./http-transport.ts";
import { addHeaders } from "./request-headers.ts";
import { checkMaxResponseBytes } from "./response-limit.ts";
import { ResponsePromise } from "./response-promise.ts";
import { encodeBody, encodeJson } from "./rest-body.ts";
import { type RestHealth, restHealth } from "./rest-health.ts";
import { checkHooks, HookRun, mergeHooks, type RestHooks } from "./rest-hooks.ts";
import {
  knownRestDefaults,
  knownRestOptions,
  mergeDefaults,
  type RestDefaults,
  type RestOptions,
} from "./rest-options.ts";
import { mergeQuery, targetFrom } from "./rest-path.ts";
import { methodLabel, type RestRequest } from "./rest-request.ts";

export type { RestDefaults, RestOptions } from "./rest-options.ts";

/** Options of {@link createRestClient}. */
export interface RestClientOptions {
  /** The service that is called. */
  readonly service: string;
  /** The whole pipeline: policies, the choice of an endpoint, and a transport. */
  readonly send: Service<RestRequest, HttpResponse>;
  readonly clock: Clock;
  /** The call whose handler runs now, to make calls on its behalf. @default none */
  readonly current?: () => Call | undefined;
  /** Told what is decided about the calls. @default nobody is told */
  readonly onEvent?: CallEventListener | undefined;
  /** What holds for a request, where neither defaults nor request say so; asked for each call. @default 30 s */
  readonly policyOf?: (method: string, target: string, operation: string | undefined) => CallDefaults;
  readonly defaults?: RestDefaults;
  /** What comes before every path: `/v1`. @default nothing */
  readonly basePath?: string;
}

/** Calls one service by REST. Paths are within the service: `datasets/seattle-weather`. */
export interface RestClient {
  readonly service: string;
  get(path: string, options?: RestOptions): ResponsePromise;
  post(path: string, options?: RestOptions): ResponsePromise;
  put(path: string, options?: RestOptions): ResponsePromise;
  delete(path: string, options?: RestOptions): ResponsePromise;
  patch(path: string, options?: RestOptions): ResponsePromise;
  head(path: string, options?: RestOptions): ResponsePromise;
  options(path: string, options?: RestOptions): ResponsePromise;
  /** A request of any method. */
  request(method: string, path: string, options?: RestOptions): ResponsePromise;
  /**
   * Another client of the same service, with more defaults: they win over those of this one; headers and query are merged
   * by name (`undefined` leaves one out), and hooks come after those of this one.
   *
   * @example
   * ```ts
   * const lake = mesh.rest("lake", { headers: { accept: "application/json" } });
   * const batch = lake.extend({ timeoutMs: 60_000, headers: { "x-purpose": "batch" } });
   * ```
   */
  extend(defaults: RestDefaults): RestClient;
  /** Asks one endpoint whether it lives and wants traffic; says so instead of throwing when it cannot be reached. */
  health(options?: Pick<RestOptions, "timeoutMs" | "signal" | "parent">): Promise<RestHealth>;
}

const knownOptions: ReadonlySet<string> = new Set(Object.keys(knownRestOptions));
const noOptions: RestOptions = {};
/** What other libraries call them. */
const otherNames: Readonly<Record<string, string>> = {
  searchParams: "query",
  params: "query",
  data: "json",
};

const idempotencyByMethod: Readonly<Record<string, Idempotency>> = {
  GET: "safe",
  HEAD: "safe",
  OPTIONS: "safe",
  TRACE: "safe",
  PUT: "idempotent",
  DELETE: "idempotent",
};

/** What repeating a request does. */
export function idempotencyOf(
  method: string,
  headers: Readonly<Record<string, string>>,
  word: boolean | undefined,
): Idempotency {
  const hasKey = headers[meshHeaders.idempotencyKey] !== undefined;
  return idempotencyFrom(word, idempotencyByMethod[method], hasKey);
}

/**
 * Makes a REST client over a pipeline. Requests are sent at once; bad arguments throw at the call.
 *
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 * @example
 * ```ts
 * const lake = createRestClient({ service: "lake", send, clock: systemClock });
 * const rows = await lake.get("datasets/seattle-weather", { query: { limit: 10 } }).json<Row[]>();
 * ```
 */
export function createRestClient(options: RestClientOptions): RestClient {
  const {
    service,
    send,
    clock,
    current,
    onEvent,
    defaults = {},
    policyOf = () => plainCallDefaults,
    basePath = "",
  } = options;
  const who = `Cannot call ${service}`;
  const made = `a call to ${service}`;
  checkOptions(`a client of ${service}`, defaults, knownRestDefaults, otherNames);
  checkHooks(`a client of ${service}`, defaults.hooks);
  if (defaults.query !== undefined) targetFrom(`Cannot make a client of ${service}`, "", defaults.query);
  callPolicyFrom(`a client of ${service}`, defaults, undefined);
  checkBoolean(`a client of ${service}`, "throwHttpErrors", defaults.throwHttpErrors);
  if (defaults.timeoutMs !== undefined)
    checkTimeout(`Cannot make a client of ${service}`, defaults.timeoutMs);
  if (defaults.maxResponseBytes !== undefined) {
    checkMaxResponseBytes(`Cannot make a client of ${service}`, defaults.maxResponseBytes);
  }
  const defaultHeaders: Record<string, string> = {};
  if (defaults.headers !== undefined)
    addHeaders(`Cannot make a client of ${service}`, defaultHeaders, defaults.headers);

  function timeoutOf({ timeoutMs }: RestOptions, policy: CallDefaults): number {
    if (timeoutMs !== undefined) return checkTimeout(who, timeoutMs);
    return defaults.timeoutMs ?? policy.timeoutMs;
  }

  function ownHooks(hooks: RestHooks): RestHooks | undefined {
    checkHooks(made, hooks);
    return mergeHooks(defaults.hooks, hooks);
  }

  function request(method: string, path: string, each: RestOptions = noOptions): ResponsePromise {
    for (const key in each) {
      if (!knownOptions.has(key)) checkOptions(made, each, knownRestOptions, otherNames);
    }
    checkCallLinks(made, each);
    checkBoolean(made, "throwHttpErrors", each.throwHttpErrors);
    const target = basePath + targetFrom(who, path, mergeQuery(defaults.query, each.query));
    const headers = { ...defaultHeaders };
    if (each.headers !== undefined) addHeaders(who, headers, each.headers);
    if (each.idempotencyKey !== undefined) {
      addHeaders(who, headers, { [meshHeaders.idempotencyKey]: each.idempotencyKey });
    }
    if (each.maxResponseBytes !== undefined) checkMaxResponseBytes(who, each.maxResponseBytes);
    const body = bodyOf(who, method, each, headers);
    const policy = policyOf(method, target, each.operation);
    const { retry = defaults.retry, waitForReady = defaults.waitForReady, idempotent } = each;
    const { priority = defaults.priority } = each;
    const call = new Call({
      side: "client",
      protocol: "rest",
      service,
      operation: each.operation ?? methodLabel(method),
      deadline: clock.now() + timeoutOf(each, policy),
      idempotency: idempotencyOf(method, headers, idempotent ?? policy.idempotent),
      signal: each.signal,
      parent: each.parent === undefined ? current?.() : (each.parent ?? undefined),
      onEvent,
      policy: callPolicyFrom(made, { retry, waitForReady, idempotent, priority }, policy.policy),
      ...priorityOf(priority ?? policy.priority),
    });
    const maxResponseBytes = each.maxResponseBytes ?? defaults.maxResponseBytes;
    const plain: RestRequest = { method, target, headers, body, hooks: undefined };
    const hooks = each.hooks === undefined ? defaults.hooks : ownHooks(each.hooks);
    return new ResponsePromise({
      call,
      clock,
      send,
      request:
        hooks === undefined
          ? plain
          : { ...plain, hooks: new HookRun(hooks, { call, clock, request: plain, maxResponseBytes }) },
      maxResponseBytes,
      throwHttpErrors: each.throwHttpErrors ?? defaults.throwHttpErrors ?? true,
    });
  }

  return {
    service,
    get: (path, each) => request("GET", path, each),
    post: (path, each) => request("POST", path, each),
    put: (path, each) => request("PUT", path, each),
    delete: (path, each) => request("DELETE", path, each),
    patch: (path, each) => request("PATCH", path, each),
    head: (path, each) => request("HEAD", path, each),
    options: (path, each) => request("OPTIONS", path, each),
    request: (method, path, each) => request(checkMethod(who, method), path, each),
    extend(more) {
      checkOptions(`a client of ${service}`, more, knownRestDefaults, otherNames);
      checkHooks(`a client of ${service}`, more.hooks);
      const merged = mergeDefaults(`Cannot make a client of ${service}`, defaults, more);
      return createRestClient({ ...options, defaults: merged });
    },
    health: (each) => restHealth(request, each),
  };
}

/** @throws RangeError when `timeoutMs` is no number above 0 */
export function checkTimeout(who: string, timeoutMs: number): number {
  if (typeof timeoutMs === "number" && timeoutMs > 0) return timeoutMs;
  throw new RangeError(`${who}: timeoutMs is ${shown(timeoutMs)}; pass a number above 0, or Infinity`);
}

function checkMethod(who: string, method: string): string {
  if (typeof method === "string" && /^[A-Za-z][\w-]*$/.test(method)) return method.toUpperCase();
  throw new TypeError(`${who}: ${JSON.stringify(method)} is no HTTP method`);
}

/** For a call of which nobody says it, its parent does. */
export function priorityOf(priority: number | undefined): { priority?: number } {
  return priority === undefined ? {} : { priority };
}

function bodyOf(
  who: string,
  method: string,
  each: RestOptions,
  headers: Record<string, string>,
): RestRequest["body"] {
  if (each.json === undefined && each.body === undefined) return undefined;
  if (method === "GET" || method === "HEAD") {
    throw new TypeError(`${who}: a ${method} request has no body; leave out json and body, or use query`);
  }
  if (each.json !== undefined && each.body !== undefined) {
    throw new TypeError(`${who}: json and body are both given; pass one of them`);
  }
  const encoded = each.body === undefined ? encodeJson(who, each.json) : encodeBody(who, each.body);
  if (encoded.contentType !== "") headers["content-type"] ??= encoded.contentType;
  return encoded.body;
}
