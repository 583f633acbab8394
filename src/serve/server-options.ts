import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { checkFunction, checkOptions, isSame, type OptionKeys } from "../core/options.ts";
import { createRateLimiter, type RateLimiter } from "../policy/rate-limiter.ts";
import { type AuthOptions, createSecurity, type Security } from "../security/authenticate.ts";
import { type AddressOf, addressFrom } from "./client-key.ts";
import { type Cors, type CorsOptions, createCors } from "./cors.ts";
import type { InboundRequest } from "./inbound-request.ts";
import {
  type ClientLimit,
  checkClientLimit,
  checkOperations,
  type OperationLimits,
  type OperationOptions,
  operationKeys,
  operationLimitsFrom,
} from "./operation-limits.ts";

const knownServerOptions: OptionKeys<ServerOptions> = {
  ...operationKeys,
  auth: true,
  cors: true,
  peerLimit: true,
  clientKey: true,
  clientAddressHeader: true,
  trustedProxies: true,
  methods: true,
};

/** Who is let in, how often, and for how long. */
export interface ServerOptions extends OperationOptions {
  /** Who may call. @default everybody, identified by the peer certificate */
  readonly auth?: AuthOptions;
  /** Which pages of other origins may call, by REST, Connect and gRPC-Web. @default none */
  readonly cors?: CorsOptions;
  /** Requests per remote address, before anything else is looked at: it bounds guessing of tokens. @default false */
  readonly peerLimit?: ClientLimit | false;
  /**
   * Whose allowance of the rate limits a request is taken from: a tenant or an API key, for example. Undefined leaves it to
   * the principal or the address. Whatever it is made of, its values must not be the client's to choose freely.
   *
   * @default the principal, or the remote address without one
   */
  readonly clientKey?: (call: Call, request: InboundRequest) => string | undefined;
  /**
   * The header in which the platform, or a proxy in front of the service, gives the client's address, for the limits
   * per address: `"cf-connecting-ip"` on Cloudflare. Without `trustedProxies` it must hold one address, and the platform or
   * proxy must overwrite what clients send: set it only where clients cannot reach the service in any other way. All
   * clients of a fetch handler, which does not know their addresses, count as one without it.
   *
   * @default the address is the connection's; with `trustedProxies`, "x-forwarded-for"
   */
  readonly clientAddressHeader?: string;
  /**
   * Addresses and ranges of the proxies in front of the service, such as `["10.0.0.0/8", "fd00::/8"]`. Of a request that
   * comes from one of them, the client's address is the last one in `clientAddressHeader` (`x-forwarded-for`, or
   * `forwarded` by RFC 7239) that is no proxy's; nobody else's header is believed.
   *
   * @default none
   */
  readonly trustedProxies?: readonly string[];
  /**
   * What is different for single routes and methods, by names such as `"GET /datasets/:name"` (the route as it is
   * declared), `"QueryRows"`, or `"package.Service/QueryRows"`, which goes before the short name.
   * A name that fits nothing of what is served is refused by `serve()` and `handler()`.
   *
   * @default none
   */
  readonly methods?: Readonly<Record<string, OperationOptions>>;
}

/** Checked options, with what remembers something between requests. */
export interface ServerState {
  readonly options: ServerOptions;
  readonly security: Security;
  /** Undefined where no page of another origin may call. */
  readonly cors: Cors | undefined;
  readonly peerLimiter: RateLimiter | undefined;
  readonly clientKey: ServerOptions["clientKey"];
  readonly addressOf: AddressOf;
  readonly limits: OperationLimits;
  readonly methods: ReadonlyMap<string, OperationLimits>;
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
  const { auth, peerLimit = false, methods = {} } = options;
  const same = (name: keyof ServerOptions): boolean =>
    before !== undefined && isSame(options[name], before.options[name]);
  checkClientLimit(who, "peerLimit", peerLimit);
  checkOperations(who, methods, operationKeys);
  return {
    options,
    security: before !== undefined && same("auth") ? before.security : createSecurity(auth),
    cors: options.cors === undefined ? undefined : createCors(options.cors),
    peerLimiter:
      before !== undefined && same("peerLimit")
        ? before.peerLimiter
        : peerLimit === false
          ? undefined
          : createRateLimiter({ ...peerLimit, clock }),
    clientKey: checkFunction(who, "clientKey", options.clientKey),
    addressOf: addressFrom(who, options),
    limits: operationLimitsFrom(who, options, clock, before?.limits),
    methods: new Map(
      Object.entries(methods).map(([name, own]) => [
        name,
        ownLimits(`${who} methods[${JSON.stringify(name)}]`, own, options, clock, before?.methods.get(name)),
      ]),
    ),
  };
}

/** The limits of one operation: its own, and the server's where it has none. */
function ownLimits(
  who: string,
  own: OperationOptions,
  { timeoutMs, idleTimeoutMs }: ServerOptions,
  clock: Clock,
  before: OperationLimits | undefined,
): OperationLimits {
  const times = {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
  };
  return operationLimitsFrom(who, { ...times, ...own }, clock, before);
}
