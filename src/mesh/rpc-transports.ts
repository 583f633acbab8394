import type { EndpointTransports } from "../balance/endpoint-registry.ts";
import type { RpcTransportOptions } from "../net/port.ts";
import type { OpenTransport } from "../rpc/client/protocol-negotiation.ts";
import type { RpcTransport, RpcTransportState } from "../rpc/client/rpc-transport.ts";
import type { RpcProtocol } from "../rpc/dialect/rpc-protocol.ts";

/** How a transport calls, whatever it calls. */
export type RpcTransportSettings = Omit<RpcTransportOptions, "origin" | "protocol" | "tls">;

/** Opens the transport to one origin. */
type Open = (options: Omit<RpcTransportOptions, "tls">) => RpcTransport;

function isBusy(transport: RpcTransport): boolean {
  const state = transport.state?.();
  return state === undefined ? transport.busy?.() === true : state.streams > 0 || state.waiting > 0;
}

/** The RPC transports of a mesh: those that speak alike share the connections to an endpoint. */
export class RpcTransports implements EndpointTransports {
  readonly #open: Open;
  /** By settings, then by protocol, then by origin. */
  readonly #transports = new Map<string, Record<RpcProtocol, Map<string, RpcTransport>>>();
  readonly #ids = new WeakMap<object, number>();
  #lastId = 0;

  constructor(open: Open) {
    this.#open = open;
  }

  /** Finds the transports of these settings, and opens those that are missing. */
  opener(settings: RpcTransportSettings): OpenTransport {
    const key = this.#keyOf(settings);
    const transports = this.#transports.get(key) ?? {
      grpc: new Map(),
      "grpc-web": new Map(),
      connect: new Map(),
    };
    this.#transports.set(key, transports);
    return (protocol: RpcProtocol, origin: string) => {
      let transport = transports[protocol].get(origin);
      if (transport === undefined) {
        transport = this.#open({ ...settings, protocol, origin });
        transports[protocol].set(origin, transport);
      }
      return transport;
    };
  }

  *#byOrigin(): Generator<Map<string, RpcTransport>> {
    for (const transports of this.#transports.values()) yield* Object.values(transports);
  }

  /** Closes the transports to an origin that have no open call; false when there are others. */
  release(origin: string): boolean {
    let all = true;
    for (const transports of this.#byOrigin()) {
      const transport = transports.get(origin);
      if (transport === undefined) continue;
      if (isBusy(transport)) {
        all = false;
        continue;
      }
      transports.delete(origin);
      transport.close().catch(() => {});
    }
    return all;
  }

  /** The connections at this moment, where a transport knows. */
  *states(): Generator<RpcTransportState & { readonly endpoint: string }> {
    for (const transports of this.#byOrigin()) {
      for (const [endpoint, transport] of transports) {
        const state = transport.state?.();
        if (state !== undefined) yield { endpoint, ...state };
      }
    }
  }

  async close(): Promise<void> {
    const transports = [...this.#byOrigin()].flatMap((each) => [...each.values()]);
    await Promise.all(transports.map((transport) => transport.close()));
  }

  /** Formats are told apart by their objects: a registry has no text that would name it. */
  #keyOf({ clock: _, keepalive, jsonOptions, binaryOptions, ...plain }: RpcTransportSettings): string {
    return JSON.stringify([
      Object.entries(plain)
        .filter(([, value]) => value !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
      keepalive && [keepalive.intervalMs, keepalive.timeoutMs, keepalive.whenIdle],
      this.#idOf(jsonOptions),
      this.#idOf(binaryOptions),
    ]);
  }

  #idOf(options: object | undefined): number {
    if (options === undefined) return 0;
    let id = this.#ids.get(options);
    if (id === undefined) {
      id = ++this.#lastId;
      this.#ids.set(options, id);
    }
    return id;
  }
}
