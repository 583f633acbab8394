import type { Clock } from "../core/clock.ts";
import { checkNumber, checkObject, checkOptions, type OptionKeys } from "../core/options.ts";
import { type Bulkhead, createBulkhead } from "../policy/bulkhead.ts";
import { createRateLimiter, type RateLimiter, type RateLimiterOptions } from "../policy/rate-limiter.ts";
import { type AuthOptions, createSecurity, type Security } from "../security/authenticate.ts";
import { type AddressOf, addressFrom } from "./client-key.ts";
import { type Cors, type CorsOptions, createCors } from "./cors.ts";

const knownServerOptions: OptionKeys<ServerOptions> = {
  auth: true,
  cors: true,
  rateLimit: true,
  peerLimit: true,
  clientAddressHeader: true,
  maxConcurrent: true,
  timeoutMs: true,
};

/** A limit per client; see `createRateLimiter`. */
export type ClientLimit = Omit<RateLimiterOptions, "clock">;

/** Who is let in, how often, and for how long. */
export interface ServerOptions {
  /** Who may call. @default everybody, identified by the peer certificate */
  readonly auth?: AuthOptions;
  /** Which pages of other origins may call, by REST, Connect and gRPC-Web. @default none */
  readonly cors?: CorsOptions;
  /**
   * Requests per principal, or per remote address without one; `false` for no limit. Clients whose address
   * the platform does not tell count as one.
   *
   * @default 100 a minute, bursts of 20, and none for peers with a verified certificate: another service of the mesh would
   *   use it up in seconds. One that is set holds for them, too.
   */
  readonly rateLimit?: ClientLimit | false;
  /** Requests per remote address, before anything else is looked at: it bounds guessing of tokens. @default false */
  readonly peerLimit?: ClientLimit | false;
  /**
   * The header in which the platform, or a proxy in front of the service, gives the client's address, for the limits
   * per address: `"cf-connecting-ip"` on Cloudflare. It must hold one address, and the platform or proxy must overwrite
   * what clients send: set it only where clients cannot reach the service in any other way. Without it no header is
   * trusted, and all clients of a fetch handler, which does not know their addresses, count as one.
   *
   * @default the address is the connection's
   */
  readonly clientAddressHeader?: string;
  /** Requests that run at the same time, streams until their end; more are refused at once. @default no limit */
  readonly maxConcurrent?: number;
  /**
   * Longest time for one request, in milliseconds; a client that asks for more gets this. One that is set holds for
   * streamed responses and streaming RPCs as well; the default does not, for those the client's own deadline does.
   *
   * @default 30_000
   */
  readonly timeoutMs?: number;
}

/** Separate limits for each kind of name, so that a client cannot use up another's by having the same name. */
export interface ClientLimiters {
  /** Undefined for no limit. */
  readonly peer: RateLimiter | undefined;
  readonly token: RateLimiter;
  readonly address: RateLimiter;
}

/** Checked options, with what remembers something between requests. */
export interface ServerState {
  readonly options: ServerOptions;
  readonly security: Security;
  /** Undefined where no page of another origin may call. */
  readonly cors: Cors | undefined;
  readonly limiters: ClientLimiters | undefined;
  readonly peerLimiter: RateLimiter | undefined;
  readonly addressOf: AddressOf;
  readonly bulkhead: Bulkhead | undefined;
  /** Undefined for the default. */
  readonly timeoutMs: number | undefined;
}

/** Whether two options say the same: the same value, or objects with the same fields. */
function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const entries = Object.entries(a);
  return (
    entries.length === Object.keys(b).length &&
    entries.every(([name, value]) => Object.hasOwn(b, name) && isSame(value, Reflect.get(b, name)))
  );
}

/**
 * Checks options, and makes what they ask for. What they leave as it was in `before` keeps its memory.
 *
 * @throws TypeError | RangeError when one has the wrong type or is out of range
 */
export function serverStateFrom(
  who: string,
  options: ServerOptions,
  clock: Clock,
  before: ServerState | undefined,
): ServerState {
  checkOptions(who, options, knownServerOptions);
  const { auth, rateLimit = {}, peerLimit = false, maxConcurrent = Infinity, timeoutMs } = options;
  for (const [name, limit] of Object.entries({ rateLimit, peerLimit })) {
    if (limit !== false) checkObject(`${who} ${name}`, limit);
  }
  const same = (name: keyof ServerOptions): boolean =>
    before !== undefined && isSame(options[name], before.options[name]);
  const limiter = (limit: ClientLimit): RateLimiter => createRateLimiter({ ...limit, clock });
  checkNumber(who, "maxConcurrent", maxConcurrent, { min: 1, max: Infinity, integer: true });
  if (timeoutMs !== undefined) checkNumber(who, "timeoutMs", timeoutMs, { above: true, max: Infinity });
  return {
    options,
    security: before !== undefined && same("auth") ? before.security : createSecurity(auth),
    cors: options.cors === undefined ? undefined : createCors(options.cors),
    limiters:
      before !== undefined && same("rateLimit")
        ? before.limiters
        : rateLimit === false
          ? undefined
          : {
              peer: options.rateLimit === undefined ? undefined : limiter(rateLimit),
              token: limiter(rateLimit),
              address: limiter(rateLimit),
            },
    peerLimiter:
      before !== undefined && same("peerLimit")
        ? before.peerLimiter
        : peerLimit === false
          ? undefined
          : limiter(peerLimit),
    addressOf: addressFrom(who, options.clientAddressHeader),
    bulkhead:
      before !== undefined && same("maxConcurrent")
        ? before.bulkhead
        : maxConcurrent === Infinity
          ? undefined
          : createBulkhead({ maxConcurrent, maxQueued: 0 }),
    timeoutMs,
  };
}
