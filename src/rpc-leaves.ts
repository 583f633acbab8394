import type { RpcLeaf, RpcLeafState } from "./rpc/leaf.ts";
import type { OpenLeaf, RpcProtocol } from "./rpc/protocol-choice.ts";
import type { RpcLeafOptions } from "./runtime/port.ts";

/** How a leaf calls, whatever it calls. */
export type RpcLeafManner = Omit<RpcLeafOptions, "origin" | "protocol">;

/** The leaves of a mesh: transports that speak alike share the connections to an endpoint. */
export class RpcLeaves {
  readonly #open: (options: RpcLeafOptions) => RpcLeaf;
  /** By manner, then protocol and origin. */
  readonly #leaves = new Map<string, Map<string, RpcLeaf>>();
  readonly #ids = new WeakMap<object, number>();
  #lastId = 0;

  constructor(open: (options: RpcLeafOptions) => RpcLeaf) {
    this.#open = open;
  }

  /** Finds the leaves of one manner, and opens those that are missing. */
  opener(manner: RpcLeafManner): OpenLeaf {
    const key = this.#keyOf(manner);
    const leaves = this.#leaves.get(key) ?? new Map<string, RpcLeaf>();
    this.#leaves.set(key, leaves);
    return (protocol: RpcProtocol, origin: string) => {
      const at = `${protocol} ${origin}`;
      let leaf = leaves.get(at);
      if (leaf === undefined) {
        leaf = this.#open({ ...manner, protocol, origin });
        leaves.set(at, leaf);
      }
      return leaf;
    };
  }

  /** The connections at this moment, where a leaf knows. */
  *states(): Generator<RpcLeafState & { readonly endpoint: string }> {
    for (const leaves of this.#leaves.values()) {
      for (const [at, leaf] of leaves) {
        const state = leaf.state?.();
        if (state !== undefined) yield { endpoint: at.slice(at.indexOf(" ") + 1), ...state };
      }
    }
  }

  async close(): Promise<void> {
    const leaves = [...this.#leaves.values()].flatMap((each) => [...each.values()]);
    await Promise.all(leaves.map((leaf) => leaf.close()));
  }

  /** Formats are told apart by their objects: a registry has no text that would name it. */
  #keyOf({ tls: _, keepalive, jsonOptions, binaryOptions, ...plain }: RpcLeafManner): string {
    return JSON.stringify([
      Object.entries(plain).sort(([a], [b]) => (a < b ? -1 : 1)),
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
