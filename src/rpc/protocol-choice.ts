import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Endpoint } from "../core/endpoint.ts";
import { TransportError } from "../core/errors.ts";
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
 * What an endpoint speaks, discovery says (`Endpoint.protocols`), or the endpoint itself: one that answers 415 has
 * not looked at the call, so the call is repeated by Connect at once, and later ones go that way from the start.
 */
export class CapableProtocol implements ProtocolChoice {
  readonly #endpoints: () => readonly Endpoint[] | undefined;
  readonly #openLeaf: OpenLeaf;
  /** Origins that refused gRPC. */
  readonly #refused = new Set<string>();
  readonly #careful = new Map<string, { readonly inner: RpcLeaf; readonly leaf: RpcLeaf }>();
  #seen: readonly Endpoint[] | undefined;
  #protocol: RpcProtocol = "grpc";

  constructor(endpoints: () => readonly Endpoint[] | undefined, openLeaf: OpenLeaf) {
    this.#endpoints = endpoints;
    this.#openLeaf = openLeaf;
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
    if (protocol !== "grpc") return this.#openLeaf(protocol, origin);
    // A leaf is closed when its endpoint has been away; one that came back has another.
    const inner = this.#openLeaf(protocol, origin);
    let careful = this.#careful.get(origin);
    if (careful?.inner !== inner) {
      careful = { inner, leaf: this.#carefulLeaf(inner, origin) };
      this.#careful.set(origin, careful);
    }
    return careful.leaf;
  }

  #choose(): void {
    const endpoints = this.#seen ?? [];
    const listed = new Set(endpoints.map(({ origin }) => origin));
    for (const known of [this.#refused, this.#careful]) {
      for (const origin of [...known.keys()]) if (!listed.has(origin)) known.delete(origin);
    }
    const speaks = (protocol: RpcProtocol): boolean =>
      endpoints.every(({ protocols }) => protocols === undefined || protocols.includes(protocol));
    const grpc = this.#refused.size === 0 && speaks("grpc");
    this.#protocol = grpc ? "grpc" : !speaks("connect") && speaks("grpc-web") ? "grpc-web" : "connect";
  }

  /** A gRPC leaf that repeats by Connect what the endpoint refuses to look at. */
  #carefulLeaf(grpc: RpcLeaf, origin: string): RpcLeaf {
    const refuse = (error: unknown): void => {
      if (!isRefusal(error)) throw error;
      this.#refused.add(origin);
      this.#choose();
    };
    const other = (): Transport => this.#openLeaf(this.#protocol, origin).transport;
    const { followsCall } = grpc;
    return {
      ...(followsCall !== undefined && { followsCall }),
      transport: {
        unary: (method, signal, timeoutMs, header, input, values) =>
          grpc.transport.unary(method, signal, timeoutMs, header, input, values).catch((error: unknown) => {
            refuse(error);
            // A leaf that follows the call is given no signal; this one needs it.
            const stop = signal ?? values?.get(meshCall)?.signal;
            return other().unary(method, stop, timeoutMs, header, input, values);
          }),
        stream: (method, ...rest) =>
          grpc.transport.stream(method, ...rest).catch((error: unknown) => {
            refuse(error);
            // Its messages may have been read; the retry layer knows whether they can be sent again.
            const cause = new TransportError("never-started", `${origin} does not speak gRPC`);
            throw new ConnectError(cause.message, Code.Unavailable, undefined, undefined, cause);
          }),
      },
      close: () => grpc.close(),
    };
  }
}

/** An answer from before the application: the media type is none that is understood there. */
function isRefusal(error: unknown): boolean {
  return httpStatusOf(error) === 415;
}
