import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { EndpointState } from "../../balance/balancer.ts";
import type { Call } from "../../core/call.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { isTransportError, MeshError, TransportError } from "../../core/errors.ts";
import type { ServerIdentity } from "../../core/identity.ts";
import { meshCall } from "../context.ts";
import type { RpcProtocol } from "../dialect/rpc-protocol.ts";
import { httpStatusOf } from "./http-status.ts";
import type { RpcTransport } from "./rpc-transport.ts";

/** What one transport speaks, now and to each endpoint. */
export interface ProtocolNegotiation {
  readonly protocol: RpcProtocol;
  transportFor(origin: string, server?: ServerIdentity): RpcTransport;
}

/** Opens (or finds) the transport to an origin. */
export type OpenTransport = (protocol: RpcProtocol, origin: string, server?: ServerIdentity) => RpcTransport;

/** Always the same protocol, because the caller says so or the runtime has no other. */
export function fixedProtocol(protocol: RpcProtocol, openTransport: OpenTransport): ProtocolNegotiation {
  return { protocol, transportFor: (origin, server) => openTransport(protocol, origin, server) };
}

/** How long an endpoint that refused gRPC is spared it, in milliseconds: doubled with each refusal, up to the longest. */
const refusedForMs = 30_000;
const longestRefusedForMs = 600_000;

/** An endpoint that refused gRPC. */
interface Refusal {
  /** When gRPC is tried again. */
  until: number;
  /** How long it was spared gRPC the last time. */
  forMs: number;
  /** Whether it speaks no HTTP/2 either. */
  http1: boolean;
}

/** An endpoint as negotiation sees it: the same object for as long as the service lists it. */
type Negotiable = Pick<EndpointState, "endpoint">;

/** Known to all transports of a mesh, and forgotten with the endpoint; empty nearly always. */
const refusals = new WeakMap<Negotiable, Refusal>();

/** How one endpoint is called. */
interface Path {
  readonly state: Negotiable;
  inner: RpcTransport | undefined;
  transport: RpcTransport | undefined;
}

/**
 * gRPC where every endpoint of the service may speak it, else Connect.
 *
 * What an endpoint speaks, the resolver says (`Endpoint.protocols`), or the endpoint itself: one that responds with 415,
 * or in HTTP/1.1, has not looked at the call, so the call is repeated by Connect at once (over HTTP/1.1 in that case).
 * Later calls to that endpoint go that way from the start, for half a minute at first and for ten at most: a proxy that
 * was restarting, or an endpoint that got a new version, is soon called by gRPC again.
 */
export class CapableProtocol implements ProtocolNegotiation {
  readonly #endpoints: () => readonly Negotiable[] | undefined;
  readonly #openTransport: OpenTransport;
  readonly #openHttp1: OpenTransport | undefined;
  readonly #clock: Clock;
  #seen: readonly Negotiable[] = [];
  #paths: ReadonlyMap<string, Path> = new Map();
  /** What the endpoints speak according to the resolver. */
  #declared: RpcProtocol = "grpc";
  /** What is spoken instead with an endpoint that refuses gRPC. */
  #instead: RpcProtocol = "connect";

  /**
   * @param endpoints - those of the service: the same array until they change
   * @param openHttp1 - opens transports over HTTP/1.1; without it, an endpoint that speaks nothing else fails
   * @param clock - tells what time is left when a call is repeated
   */
  constructor(
    endpoints: () => readonly Negotiable[] | undefined,
    openTransport: OpenTransport,
    openHttp1: OpenTransport | undefined,
    clock: Clock = systemClock,
  ) {
    this.#endpoints = endpoints;
    this.#openTransport = openTransport;
    this.#openHttp1 = openHttp1;
    this.#clock = clock;
  }

  get protocol(): RpcProtocol {
    this.#look();
    if (this.#declared !== "grpc" || this.#seen.length === 0) return this.#declared;
    const spared = this.#seen.every((state) => this.#refusalOf(state) !== undefined);
    return spared ? this.#instead : "grpc";
  }

  transportFor(origin: string, server?: ServerIdentity): RpcTransport {
    this.#look();
    const path = this.#paths.get(origin);
    // It left between the choice and now: there is nothing to learn of it.
    if (path === undefined) return this.#openTransport(this.#declared, origin, server);
    const refusal = this.#refusalOf(path.state);
    const inner = this.#plainTransport(origin, server, refusal);
    if (refusal?.http1 === true) return inner;
    // A transport is closed when its endpoint has been away; one that came back has another.
    if (path.transport === undefined || path.inner !== inner) {
      path.inner = inner;
      path.transport = this.#fallbackTransport(inner, path.state, server);
    }
    return path.transport;
  }

  #plainTransport(
    origin: string,
    server: ServerIdentity | undefined,
    refusal: Refusal | undefined,
  ): RpcTransport {
    const protocol = refusal === undefined || this.#declared !== "grpc" ? this.#declared : this.#instead;
    const open = refusal?.http1 === true ? (this.#openHttp1 ?? this.#openTransport) : this.#openTransport;
    return open(protocol, origin, server);
  }

  /** The refusal that still holds. */
  #refusalOf(state: Negotiable): Refusal | undefined {
    const refusal = refusals.get(state);
    return refusal !== undefined && this.#clock.now() < refusal.until ? refusal : undefined;
  }

  #refuse(state: Negotiable, http1: boolean): Refusal {
    const now = this.#clock.now();
    const before = refusals.get(state);
    const holds = before !== undefined && now < before.until;
    // One that went well for as long as it may be spared at most starts afresh.
    const again = before !== undefined && now - before.until < longestRefusedForMs;
    const forMs = holds
      ? before.forMs
      : again
        ? Math.min(before.forMs * 2, longestRefusedForMs)
        : refusedForMs;
    const refusal: Refusal = { until: now + forMs, forMs, http1: http1 || (holds && before.http1) };
    refusals.set(state, refusal);
    return refusal;
  }

  /** Follows the resolver. */
  #look(): void {
    const seen = this.#endpoints() ?? [];
    if (seen === this.#seen) return;
    this.#seen = seen;
    const before = this.#paths;
    const paths = new Map<string, Path>();
    for (const state of seen) {
      const known = before.get(state.endpoint.origin);
      const path = known?.state === state ? known : { state, inner: undefined, transport: undefined };
      paths.set(state.endpoint.origin, path);
    }
    this.#paths = paths;
    const speaks = (protocol: RpcProtocol): boolean =>
      seen.every(({ endpoint: { protocols } }) => protocols === undefined || protocols.includes(protocol));
    this.#instead = !speaks("connect") && speaks("grpc-web") ? "grpc-web" : "connect";
    this.#declared = speaks("grpc") ? "grpc" : this.#instead;
  }

  /** A transport that repeats in another way what the endpoint refuses to look at. */
  #fallbackTransport(
    inner: RpcTransport,
    state: Negotiable,
    server: ServerIdentity | undefined,
  ): RpcTransport {
    const { origin } = state.endpoint;
    const refuse = (error: unknown): Transport => {
      const onlyHttp1 = this.#openHttp1 !== undefined && isHttp1Alone(error);
      if (!onlyHttp1 && !isRefusal(error)) throw error;
      return this.#plainTransport(origin, server, this.#refuse(state, onlyHttp1)).transport;
    };
    const { followsCall } = inner;
    return {
      ...(followsCall !== undefined && { followsCall }),
      transport: {
        unary: (method, signal, timeoutMs, header, input, values) =>
          inner.transport.unary(method, signal, timeoutMs, header, input, values).catch((error: unknown) => {
            const other = refuse(error);
            // A transport that follows the call is given no signal; this one needs it.
            const call = values?.get(meshCall);
            const stop = signal ?? call?.signal;
            return other.unary(method, stop, timeLeft(call, timeoutMs, this.#clock), header, input, values);
          }),
        stream: (method, ...rest) =>
          inner.transport.stream(method, ...rest).catch((error: unknown) => {
            refuse(error);
            // Its messages may have been read; the retry layer knows whether they can be sent again.
            const cause = new TransportError(
              "never-started",
              `${origin} does not speak what it was called by`,
            );
            throw new ConnectError(cause.message, Code.Unavailable, undefined, undefined, cause);
          }),
      },
      close: () => inner.close(),
    };
  }
}

/**
 * The timeout of a repeated call: the refusal took time as well. One that was not stated stays so: `undefined` and 0
 * have meanings of their own for the transports.
 *
 * @throws MeshError `ERR_DEADLINE_EXCEEDED` when no time is left
 */
function timeLeft(call: Call | undefined, timeoutMs: number | undefined, clock: Clock): number | undefined {
  if (call === undefined || !timeoutMs || call.deadline === Infinity) return timeoutMs;
  call.throwIfCancelled();
  const left = Math.ceil(call.deadline - clock.now());
  if (left > 0) return left;
  throw new MeshError(
    "ERR_DEADLINE_EXCEEDED",
    `Cannot repeat ${call.service} ${call.operation} in another protocol: its deadline has passed`,
  );
}

/** A response from before the application: the media type is none that is understood there. */
function isRefusal(error: unknown): boolean {
  return httpStatusOf(error) === 415;
}

function isHttp1Alone(error: unknown): boolean {
  const cause = error instanceof ConnectError ? error.cause : error;
  return isTransportError(cause) && cause.fault === "no-http2";
}
