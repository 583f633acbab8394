import type { RpcLeaf, RpcLeafState } from "../rpc/client/rpc-transport.ts";
import type { OpenLeaf, RpcProtocol } from "../rpc/client/protocol-negotiation.ts";
import type { RpcLeafOptions } from "../net/port.ts";

/** How a leaf calls, whatever it calls. */
export type RpcLeafManner = Omit<RpcLeafOptions, "origin" | "protocol">;

function isBusy(leaf: RpcLeaf): boolean {
  const state = leaf.state?.();
  return state === undefined ? leaf.busy?.() === true : state.streams > 0 || state.waiting > 0;
}

/** The leaves of a mesh: transports that speak alike share the connections to an endpoint. */
export class RpcLeaves {
  readonly #open: (options: RpcLeafOptions) => RpcLeaf;
  /** By manner, then by protocol, then by origin. */
  readonly #leaves = new Map<string, Record<RpcProtocol, Map<string, RpcLeaf>>>();
  readonly #ids = new WeakMap<object, number>();
  #lastId = 0;

  constructor(open: (options: RpcLeafOptions) => RpcLeaf) {
    this.#open = open;
  }

  /** Finds the leaves of one manner, and opens those that are missing. */
  opener(manner: RpcLeafManner): OpenLeaf {
    const key = this.#keyOf(manner);
    const leaves = this.#leaves.get(key) ?? { grpc: new Map(), "grpc-web": new Map(), connect: new Map() };
    this.#leaves.set(key, leaves);
    return (protocol: RpcProtocol, origin: string) => {
      let leaf = leaves[protocol].get(origin);
      if (leaf === undefined) {
        leaf = this.#open({ ...manner, protocol, origin });
        leaves[protocol].set(origin, leaf);
      }
      return leaf;
    };
  }

  *#byOrigin(): Generator<Map<string, RpcLeaf>> {
    for (const leaves of this.#leaves.values()) yield* Object.values(leaves);
  }

  /** Closes the leaves to an origin that have no open call; false when there are others. */
  release(origin: string): boolean {
    let all = true;
    for (const leaves of this.#byOrigin()) {
      const leaf = leaves.get(origin);
      if (leaf === undefined) continue;
      if (isBusy(leaf)) {
        all = false;
        continue;
      }
      leaves.delete(origin);
      leaf.close().catch(() => {});
    }
    return all;
  }

  /** The connections at this moment, where a leaf knows. */
  *states(): Generator<RpcLeafState & { readonly endpoint: string }> {
    for (const leaves of this.#byOrigin()) {
      for (const [endpoint, leaf] of leaves) {
        const state = leaf.state?.();
        if (state !== undefined) yield { endpoint, ...state };
      }
    }
  }

  async close(): Promise<void> {
    const leaves = [...this.#byOrigin()].flatMap((each) => [...each.values()]);
    await Promise.all(leaves.map((leaf) => leaf.close()));
  }

  /** Formats are told apart by their objects: a registry has no text that would name it. */
  #keyOf({ tls: _, clock: __, keepalive, jsonOptions, binaryOptions, ...plain }: RpcLeafManner): string {
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
