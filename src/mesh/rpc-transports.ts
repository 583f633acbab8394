import type { EndpointTransports } from "../balance/endpoint-registry.ts";
import type { ServerIdentity } from "../core/identity.ts";
import type { RpcTransportOptions } from "../net/port.ts";
import type { OpenTransport } from "../rpc/client/protocol-negotiation.ts";
import type { RpcTransport, RpcTransportState } from "../rpc/client/rpc-transport.ts";
import type { RpcProtocol } from "../rpc/dialect/rpc-protocol.ts";

/** How a transport calls, whatever it calls. */
export type RpcTransportSettings = Omit<RpcTransportOptions, "origin" | "protocol" | "tls" | "server">;

/** Opens the transport to one origin. */
type Open = (options: Omit<RpcTransportOptions, "tls">) => RpcTransport;

function isBusy(transport: RpcTransport): boolean {
  const state = transport.state?.();
  return state === undefined ? transport.busy?.() === true : state.streams > 0 || state.waiting > 0;
}

/** The origin that a key begins with; no origin has a blank. */
function originIn(key: string): string {
  const end = key.indexOf(" ");
  return end === -1 ? key : key.slice(0, end);
}

/** The RPC transports of a mesh: those that speak alike share the connections to an endpoint. */
export class RpcTransports implements EndpointTransports {
  readonly #open: Open;
  /** By settings, then by protocol, then by origin and who the server must be there. */
  readonly #transports = new Map<string, Record<RpcProtocol, Map<string, RpcTransport>>>();
  readonly #keys = new WeakMap<ServerIdentity, string>();
  /** Whether any key is more than an origin. */
  #identified = false;
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
    return (protocol, origin, server) => {
      const at = server === undefined ? origin : origin + this.#identityOf(server);
      let transport = transports[protocol].get(at);
      if (transport === undefined) {
        transport = this.#open({ ...settings, protocol, origin, server });
        transports[protocol].set(at, transport);
      }
      return transport;
    };
  }

  /** What follows the origin: a connection that was verified for one identity is no good for another. */
  #identityOf(server: ServerIdentity): string {
    let key = this.#keys.get(server);
    if (key === undefined) {
      key = ` ${JSON.stringify([server.serverName ?? "", server.spiffeId ?? ""])}`;
      this.#keys.set(server, key);
      this.#identified = true;
    }
    return key;
  }

  *#byOrigin(): Generator<Map<string, RpcTransport>> {
    for (const transports of this.#transports.values()) yield* Object.values(transports);
  }

  /** Closes the transports to an origin that have no open call; false when there are others. */
  release(origin: string): boolean {
    let all = true;
    for (const transports of this.#byOrigin()) {
      for (const at of this.#identified ? transports.keys() : [origin]) {
        const transport = originIn(at) === origin ? transports.get(at) : undefined;
        if (transport === undefined) continue;
        if (isBusy(transport)) {
          all = false;
          continue;
        }
        transports.delete(at);
        transport.close().catch(() => {});
      }
    }
    return all;
  }

  /** The connections at this moment, where a transport knows. */
  *states(): Generator<RpcTransportState & { readonly endpoint: string }> {
    for (const transports of this.#byOrigin()) {
      for (const [at, transport] of transports) {
        const state = transport.state?.();
        if (state !== undefined) yield { endpoint: originIn(at), ...state };
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
