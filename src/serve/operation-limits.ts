import type { Clock } from "../core/clock.ts";
import { checkNumber, checkObject, checkOptions, isSame, type OptionKeys } from "../core/options.ts";
import { type Bulkhead, createBulkhead } from "../policy/bulkhead.ts";
import { deadlinesOf } from "../policy/deadline-wheel.ts";
import { createRateLimiter, type RateLimiter, type RateLimiterOptions } from "../policy/rate-limiter.ts";
import { SilenceLimit } from "./silence.ts";

const defaultTimeoutMs = 30_000;
const defaultIdleTimeoutMs = 300_000;

/** A limit per client; see `createRateLimiter`. */
export type ClientLimit = Omit<RateLimiterOptions, "clock">;

const knownClientLimit: OptionKeys<ClientLimit> = { perMinute: true, burst: true, maxClients: true };

/** How often and how long a route or a method may be used. */
export interface OperationOptions {
  /**
   * Requests per principal, or per remote address without one; `false` for no limit. Clients whose address the platform
   * does not tell count as one. A route or method with a limit of its own does not count towards the one of the server.
   *
   * @default 100 a minute, bursts of 20, and none for peers with a verified certificate: another service of the mesh would
   *   use it up in seconds. One that is set holds for them, too.
   */
  readonly rateLimit?: ClientLimit | false;
  /**
   * Requests that run at the same time, streams until their end; more are refused at once. One of a route or method holds
   * besides the one of the server.
   *
   * @default no limit
   */
  readonly maxConcurrent?: number;
  /**
   * Longest time for one request, in milliseconds; a client that asks for more gets this. One that is set holds for
   * streamed bodies and streaming RPCs as well; the default does not, for those the client's own deadline does, and
   * `idleTimeoutMs`.
   *
   * @default 30_000
   */
  readonly timeoutMs?: number;
  /**
   * Longest time, in milliseconds, in which nothing of a streamed body or a streaming RPC moves in either direction; the
   * call ends then, as at its deadline, at the latest a quarter of that time later. Of a request body that is read as a
   * stream it counts once the default time for a request has passed. `Infinity` for no limit.
   *
   * @default 300_000
   */
  readonly idleTimeoutMs?: number;
}

/** The keys of {@link OperationOptions}. */
export const operationKeys: OptionKeys<OperationOptions> = {
  rateLimit: true,
  maxConcurrent: true,
  timeoutMs: true,
  idleTimeoutMs: true,
};

/** Separate limits for each kind of name, so that a client cannot use up another's by having the same name. */
export interface ClientLimiters {
  /** Undefined for no limit. */
  readonly peer: RateLimiter | undefined;
  readonly token: RateLimiter;
  readonly address: RateLimiter;
  /** For the names that `clientKey` gives. */
  readonly custom: RateLimiter;
}

/** What remembers something between the requests of an operation, or of all of them. */
export interface OperationLimits {
  readonly options: OperationOptions;
  readonly limiters: ClientLimiters | undefined;
  readonly bulkhead: Bulkhead | undefined;
  /** Time for one request. */
  readonly timeoutMs: number;
  /** Whether that holds for streams, too. */
  readonly bindsStreams: boolean;
  readonly silence: SilenceLimit | undefined;
}

/** @throws TypeError when it is neither an object nor `false` */
export function checkClientLimit(who: string, name: string, limit: ClientLimit | false | undefined): void {
  if (limit !== undefined && limit !== false) checkOptions(`${who} ${name}`, limit, knownClientLimit);
}

function limitersFrom(options: OperationOptions, clock: Clock): ClientLimiters | undefined {
  const { rateLimit = {} } = options;
  if (rateLimit === false) return undefined;
  const limiter = (): RateLimiter => createRateLimiter({ ...rateLimit, clock });
  return {
    peer: options.rateLimit === undefined ? undefined : limiter(),
    token: limiter(),
    address: limiter(),
    custom: limiter(),
  };
}

/**
 * Checks the limits of all operations, and makes what they ask for. What they leave as it was in `before` keeps its memory.
 *
 * @throws TypeError | RangeError when one has the wrong type or is out of range
 */
export function operationLimitsFrom(
  who: string,
  options: OperationOptions,
  clock: Clock,
  before: OperationLimits | undefined,
): OperationLimits {
  const { maxConcurrent = Infinity, timeoutMs, idleTimeoutMs = defaultIdleTimeoutMs } = options;
  const same = (name: keyof OperationOptions): boolean =>
    before !== undefined && isSame(options[name], before.options[name]);
  checkClientLimit(who, "rateLimit", options.rateLimit);
  checkNumber(who, "maxConcurrent", maxConcurrent, { min: 1, max: Infinity, integer: true });
  checkNumber(who, "idleTimeoutMs", idleTimeoutMs, { above: true, max: Infinity });
  if (timeoutMs !== undefined) checkNumber(who, "timeoutMs", timeoutMs, { above: true, max: Infinity });
  return {
    options,
    limiters: before !== undefined && same("rateLimit") ? before.limiters : limitersFrom(options, clock),
    bulkhead:
      before !== undefined && same("maxConcurrent")
        ? before.bulkhead
        : maxConcurrent === Infinity
          ? undefined
          : createBulkhead({ maxConcurrent, maxQueued: 0 }),
    timeoutMs: timeoutMs ?? defaultTimeoutMs,
    bindsStreams: timeoutMs !== undefined,
    silence:
      idleTimeoutMs === Infinity ? undefined : new SilenceLimit(clock, deadlinesOf(clock), idleTimeoutMs),
  };
}

/** The limits of single operations, by the names that options give them. */
export class OperationTable<T> {
  readonly #named: ReadonlyMap<string, T>;
  /** Undefined for an operation that no name fits. */
  readonly #found = new Map<string, T | undefined>();

  constructor(named: ReadonlyMap<string, T>) {
    this.#named = named;
  }

  /** What holds for an operation; undefined for nothing of its own. Operations are few: made-up paths are none. */
  get(operation: string): T | undefined {
    const found = this.#found.get(operation);
    if (found !== undefined || this.#found.has(operation)) return found;
    const short =
      operation.startsWith("/") || operation.includes(" ")
        ? ""
        : operation.slice(operation.lastIndexOf("/") + 1);
    const limits = this.#named.get(operation) ?? this.#named.get(short);
    this.#found.set(operation, limits);
    return limits;
  }
}

const routeName = /^[A-Z][A-Z-]* \/\S*$/;
const methodName = /^(?:[\w.]+\/)?\w+$/;

/**
 * Checks the names of operations.
 *
 * @throws TypeError for what can be neither a route nor a method
 */
export function checkOperations<T extends object>(
  who: string,
  methods: Readonly<Record<string, T>>,
  known: OptionKeys<T>,
): void {
  checkObject(`${who} methods`, methods);
  for (const [name, options] of Object.entries(methods)) {
    if (!routeName.test(name) && !methodName.test(name)) {
      throw new TypeError(
        `Cannot make ${who}: methods has ${JSON.stringify(name)}; name a route as "GET /datasets/:name", an RPC as "QueryRows" or "package.Service/QueryRows"`,
      );
    }
    checkOptions(`${who} methods[${JSON.stringify(name)}]`, options, known);
  }
}
