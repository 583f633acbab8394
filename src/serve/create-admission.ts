import type { Call } from "../core/call.ts";
import { outcomeOfMeshError } from "../core/classifier.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { MeshError } from "../core/errors.ts";
import { checkNumber, checkOptions } from "../core/options.ts";
import type { Outcome } from "../core/outcome.ts";
import type { RateLimiter } from "../policy/rate-limiter.ts";
import { type AuthOptions, createSecurity, type Security } from "../security/authenticate.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { readContext } from "../telemetry/propagation.ts";
import { acceptRequestId } from "../telemetry/request-id.ts";
import { newTraceparent } from "../telemetry/trace-context.ts";
import type { Admission, InboundRequest } from "./admission.ts";
import { type AddressOf, addressFrom, clientKey } from "./client-key.ts";
import { type ClientLimit, type ClientLimiters, limiterFrom, limitersFrom, take } from "./client-limits.ts";
import { type AdmissionMetrics, quietMetrics } from "./quiet-metrics.ts";
import { type CallObserver, ServerCall } from "./server-call.ts";

/** Options of {@link createAdmission}: who is let in, how often, and for how long. */
export interface AdmissionOptions {
  /** The name of the service that answers. */
  readonly service: string;
  /** Who may call. @default everybody, as whoever the peer certificate says */
  readonly auth?: AuthOptions;
  /**
   * Requests per principal, or per remote address without one; `false` for no limit. Clients whose address
   * the platform does not tell count as one.
   *
   * @default 100 a minute, bursts of 20
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
  /** Requests that run at the same time; more are refused at once. @default no limit */
  readonly maxConcurrent?: number;
  /** Longest time for one request, in milliseconds; a client that asks for more gets this. @default 30_000 */
  readonly timeoutMs?: number;
  /** @default nothing is counted */
  readonly metrics?: Metrics;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** An admission that can be closed. */
export interface ClosableAdmission extends Admission {
  /** From now on every new request is refused with `ERR_SHUTTING_DOWN`. */
  close(): void;
  /** Requests that were opened and have not ended. */
  readonly inFlight: number;
}

class ServerAdmission implements ClosableAdmission, CallObserver {
  readonly #service: string;
  readonly #clock: Clock;
  readonly #metrics: AdmissionMetrics | undefined;
  readonly #security: Security;
  readonly #limiters: ClientLimiters | undefined;
  readonly #peerLimiter: RateLimiter | undefined;
  readonly #addressOf: AddressOf;
  readonly #maxConcurrent: number;
  readonly #timeoutMs: number;
  #closed = false;
  #inFlight = 0;
  #running = 0;

  constructor(options: AdmissionOptions) {
    const who = "createAdmission()";
    checkOptions(who, options);
    if (typeof options.service !== "string" || options.service === "") {
      throw new TypeError("Cannot make createAdmission(): service is missing; name the service that answers");
    }
    this.#service = options.service;
    this.#clock = options.clock ?? systemClock;
    this.#metrics = options.metrics && quietMetrics(options.metrics);
    this.#security = createSecurity(options.auth);
    this.#limiters = limitersFrom(options.rateLimit ?? {}, this.#clock);
    this.#peerLimiter = limiterFrom(options.peerLimit ?? false, this.#clock);
    this.#addressOf = addressFrom(who, options.clientAddressHeader);
    this.#maxConcurrent = checkNumber(who, "maxConcurrent", options.maxConcurrent ?? Infinity, {
      min: 1,
      max: Infinity,
      integer: true,
    });
    this.#timeoutMs = checkNumber(who, "timeoutMs", options.timeoutMs ?? 30_000, {
      above: true,
      max: Infinity,
    });
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  close(): void {
    this.#closed = true;
  }

  open(inbound: InboundRequest): Call {
    const now = this.#clock.now();
    const context = readContext(inbound.headers);
    const granted = inbound.timeoutMs ?? context.timeoutMs ?? Infinity;
    const call = new ServerCall(
      {
        side: "server",
        protocol: inbound.protocol,
        service: this.#service,
        operation: inbound.operation,
        deadline: now + Math.min(this.#timeoutMs, granted),
        attempt: context.attempt,
        priority: context.priority,
      },
      inbound,
      now,
      this,
    );
    const fresh = context.traceparent === "";
    call.traceparent = fresh ? newTraceparent() : context.traceparent;
    call.tracestate = context.tracestate;
    // One random name is enough where both are made up here, and whoever has the one finds the other.
    call.requestId =
      fresh && context.requestId === undefined
        ? call.traceparent.slice(3, 27)
        : acceptRequestId(context.requestId);
    call.retryOwnedUpstream = context.retryOwnedUpstream;
    this.#inFlight++;
    this.#metrics?.serverStarted();
    return call;
  }

  admit(call: Call, inbound: InboundRequest): void | Promise<void> {
    try {
      this.#checkOpen();
      if (this.#peerLimiter !== undefined) take(this.#peerLimiter, clientKey(this.#addressOf(inbound)));
      const late = this.#security(call, inbound.headers, inbound.connection.peer);
      if (late === undefined) return this.#enter(call, inbound);
      return late
        .then(() => this.#enter(call, inbound))
        .catch((error: unknown) => {
          throw this.#counted(error);
        });
    } catch (error) {
      throw this.#counted(error);
    }
  }

  ended(call: ServerCall, outcome: Outcome): void {
    this.#inFlight--;
    if (call.holdsPlace) this.#running--;
    const seconds = (this.#clock.now() - call.startedAt) / 1000;
    this.#metrics?.serverEnded(call.operation, call.protocol, outcome.status, seconds);
  }

  #checkOpen(): void {
    if (this.#closed)
      throw new MeshError("ERR_SHUTTING_DOWN", "The service is shutting down; try another endpoint");
  }

  /** The gates that need to know the principal. */
  #enter(call: Call, inbound: InboundRequest): void {
    if (this.#limiters !== undefined) {
      const { principal } = call;
      if (principal === undefined) take(this.#limiters.address, clientKey(this.#addressOf(inbound)));
      else take(principal.kind === "peer" ? this.#limiters.peer : this.#limiters.token, principal.id);
    }
    if (this.#running >= this.#maxConcurrent) {
      throw new MeshError("ERR_BULKHEAD_FULL", `The service is busy: ${this.#running} requests run already`);
    }
    // A call that ended while a token was validated (its deadline passed) has nothing to give back any more.
    if (call.outcome !== undefined) return;
    (call as ServerCall).holdsPlace = true;
    this.#running++;
  }

  #counted(error: unknown): unknown {
    this.#metrics?.rejected(outcomeOfMeshError(error)?.status ?? "error");
    return error;
  }
}

/**
 * Makes the protocol-neutral part of a server's chain, shared by REST and RPC: each request is opened (request
 * id, trace, deadline, metrics), passes the gates (peer limit, security, rate limit, concurrency), and ends.
 * Nothing is awaited unless a validator or the authorisation hook is asynchronous.
 *
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function createAdmission(options: AdmissionOptions): ClosableAdmission {
  return new ServerAdmission(options);
}
