import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Call } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { isTransportError, MeshError, TransportError } from "../core/errors.ts";
import { meshCall } from "./context.ts";
import { httpStatusOf } from "./http-status.ts";
import type { RpcLeaf } from "./leaf.ts";

/** The protocols that an RPC can travel by. */
export type RpcProtocol = "grpc" | "grpc-web" | "connect";

/** What one transport speaks, now and to each endpoint. */
export interface ProtocolChoice {
  readonly protocol: RpcProtocol;
  leafFor(origin: string): RpcLeaf;
}

/** Opens (or finds) the leaf to an origin. */
export type OpenLeaf = (protocol: RpcProtocol, origin: string) => RpcLeaf;

/** Always the same protocol, because the caller says so or the runtime has no other. */
export function fixedProtocol(protocol: RpcProtocol, openLeaf: OpenLeaf): ProtocolChoice {
  return { protocol, leafFor: (origin) => openLeaf(protocol, origin) };
}

/**
 * gRPC while every endpoint of the service speaks it, else Connect.
 *
 * What an endpoint speaks, discovery says (`Endpoint.protocols`), or the endpoint itself: one that answers 415, or in
 * HTTP/1.1, has not looked at the call, so the call is repeated by Connect at once (over HTTP/1.1 in that case), and
 * later ones go that way from the start.
 */
export class CapableProtocol implements ProtocolChoice {
  readonly #endpoints: () => readonly Endpoint[] | undefined;
  readonly #openLeaf: OpenLeaf;
  readonly #openHttp1: OpenLeaf | undefined;
  readonly #clock: Clock;
  /** Origins that refused gRPC. */
  readonly #refused = new Set<string>();
  /** Those of them that speak no HTTP/2. */
  readonly #http1 = new Set<string>();
  readonly #careful = new Map<string, { readonly inner: RpcLeaf; readonly leaf: RpcLeaf }>();
  #seen: readonly Endpoint[] | undefined;
  #protocol: RpcProtocol = "grpc";

  /**
   * @param openHttp1 - opens leaves over HTTP/1.1; without it, an endpoint that speaks nothing else fails
   * @param clock - tells what time is left when a call is repeated
   */
  constructor(
    endpoints: () => readonly Endpoint[] | undefined,
    openLeaf: OpenLeaf,
    openHttp1: OpenLeaf | undefined,
    clock: Clock = systemClock,
  ) {
    this.#endpoints = endpoints;
    this.#openLeaf = openLeaf;
    this.#openHttp1 = openHttp1;
    this.#clock = clock;
  }

  get protocol(): RpcProtocol {
    const endpoints = this.#endpoints();
    if (endpoints !== this.#seen) {
      this.#seen = endpoints;
      this.#choose();
    }
    return this.#protocol;
  }

  leafFor(origin: string): RpcLeaf {
    const { protocol } = this;
    const inner = this.#plainLeaf(protocol, origin);
    if (this.#http1.has(origin)) return inner;
    // A leaf is closed when its endpoint has been away; one that came back has another.
    let careful = this.#careful.get(origin);
    if (careful?.inner !== inner) {
      careful = { inner, leaf: this.#carefulLeaf(inner, origin) };
      this.#careful.set(origin, careful);
    }
    return careful.leaf;
  }

  #plainLeaf(protocol: RpcProtocol, origin: string): RpcLeaf {
    const open = this.#http1.has(origin) ? (this.#openHttp1 ?? this.#openLeaf) : this.#openLeaf;
    return open(protocol, origin);
  }

  #choose(): void {
    const endpoints = this.#seen ?? [];
    const listed = new Set(endpoints.map(({ origin }) => origin));
    for (const known of [this.#refused, this.#http1, this.#careful]) {
      for (const origin of [...known.keys()]) if (!listed.has(origin)) known.delete(origin);
    }
    const speaks = (protocol: RpcProtocol): boolean =>
      endpoints.every(({ protocols }) => protocols === undefined || protocols.includes(protocol));
    const grpc = this.#refused.size === 0 && speaks("grpc");
    this.#protocol = grpc ? "grpc" : !speaks("connect") && speaks("grpc-web") ? "grpc-web" : "connect";
  }

  /** A leaf that repeats in another way what the endpoint refuses to look at. */
  #carefulLeaf(inner: RpcLeaf, origin: string): RpcLeaf {
    const refuse = (error: unknown): void => {
      const onlyHttp1 = this.#openHttp1 !== undefined && isHttp1Alone(error);
      if (!onlyHttp1 && !isRefusal(error)) throw error;
      if (onlyHttp1) this.#http1.add(origin);
      this.#refused.add(origin);
      this.#choose();
    };
    const other = (): Transport => this.#plainLeaf(this.#protocol, origin).transport;
    const { followsCall } = inner;
    return {
      ...(followsCall !== undefined && { followsCall }),
      transport: {
        unary: (method, signal, timeoutMs, header, input, values) =>
          inner.transport.unary(method, signal, timeoutMs, header, input, values).catch((error: unknown) => {
            refuse(error);
            // A leaf that follows the call is given no signal; this one needs it.
            const call = values?.get(meshCall);
            const stop = signal ?? call?.signal;
            return other().unary(method, stop, timeLeft(call, timeoutMs, this.#clock), header, input, values);
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
 * have meanings of their own for the leaves.
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

/** An answer from before the application: the media type is none that is understood there. */
function isRefusal(error: unknown): boolean {
  return httpStatusOf(error) === 415;
}

function isHttp1Alone(error: unknown): boolean {
  const cause = error instanceof ConnectError ? error.cause : error;
  return isTransportError(cause) && cause.fault === "no-http2";
}
