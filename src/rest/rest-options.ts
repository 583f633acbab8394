import type { Call } from "../core/call.ts";
import type { OptionKeys } from "../core/options.ts";
import type { CallOverrides } from "../policy/call-policy.ts";
import { addHeaders, type HeadersInput } from "./request-headers.ts";
import type { RestBody } from "./rest-body.ts";
import { mergeHooks, type RestHooks } from "./rest-hooks.ts";
import { mergeQuery, type Query } from "./rest-path.ts";

/** What holds for every request of a client, unless the request says otherwise. */
export interface RestDefaults extends Omit<CallOverrides, "idempotent"> {
  /** Sent with every request; a request's own header of the same name wins. */
  readonly headers?: HeadersInput;
  /** Added to every path; `undefined` values are left out, arrays repeat the parameter, and a request's own parameter wins. */
  readonly query?: Query;
  /** Done around each attempt and before errors; those of a client come before those of a request. @default nothing */
  readonly hooks?: RestHooks;
  /** The whole call with all its attempts and the reading of the response, in milliseconds. @default the policy's, 30_000 */
  readonly timeoutMs?: number;
  /**
   * The largest response body, in bytes: one that grows beyond it is cancelled, and reading it fails with
   * `ERR_BODY_TOO_LARGE`. Unless it is set, a body that is read as a stream has no limit. `Infinity` sets none at all.
   *
   * @default 10 MiB (10_485_760) for `json()`, `text()` and `bytes()`
   */
  readonly maxResponseBytes?: number;
  /** `false` resolves with the response whatever its status. @default true */
  readonly throwHttpErrors?: boolean;
}

/** One request. */
export interface RestOptions extends RestDefaults, Pick<CallOverrides, "idempotent"> {
  /** Sent as `application/json`. */
  readonly json?: unknown;
  /** Any other body; see {@link RestBody}. */
  readonly body?: RestBody;
  /** Aborting it cancels the call. */
  readonly signal?: AbortSignal;
  /** Sent as `Idempotency-Key`; it promises that the service recognises a repetition, so the call may be retried. */
  readonly idempotencyKey?: string;
  /**
   * The call on whose behalf this one is made: deadline, trace, priority and cancellation carry over. `null` cuts the tie,
   * for work that outlives the request it began in.
   *
   * @default the call whose handler runs now
   */
  readonly parent?: Call | null;
  /** What metrics and traces call it: the route pattern, such as `GET /datasets/:name`. @default the method */
  readonly operation?: string;
}

export const knownRestDefaults: OptionKeys<RestDefaults> = {
  headers: true,
  query: true,
  hooks: true,
  timeoutMs: true,
  retry: true,
  priority: true,
  waitForReady: true,
  maxResponseBytes: true,
  throwHttpErrors: true,
};

export const knownRestOptions: OptionKeys<RestOptions> = {
  ...knownRestDefaults,
  json: true,
  body: true,
  signal: true,
  idempotencyKey: true,
  idempotent: true,
  parent: true,
  operation: true,
};

/** The defaults of a client that extends another one: the latter win, headers and query by name, and hooks are added. */
export function mergeDefaults(who: string, below: RestDefaults, above: RestDefaults): RestDefaults {
  const said = Object.fromEntries(Object.entries(above).filter(([, value]) => value !== undefined));
  const headers: Record<string, string> = {};
  for (const each of [below.headers, above.headers]) if (each !== undefined) addHeaders(who, headers, each);
  const query = mergeQuery(below.query, above.query);
  const hooks = mergeHooks(below.hooks, above.hooks);
  const retry =
    above.retry && below.retry ? { ...below.retry, ...above.retry } : (above.retry ?? below.retry);
  return {
    ...below,
    ...said,
    headers,
    ...(query !== undefined && { query }),
    ...(hooks !== undefined && { hooks }),
    ...(retry !== undefined && { retry }),
  };
}
