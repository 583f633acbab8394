import type { Transport } from "@connectrpc/connect";

/** A transport bound to one endpoint, without any policy. */
export interface RpcLeaf {
  readonly transport: Transport;
  /**
   * Whether the leaf follows the `Call` it finds in its context values (`contextValues.get(meshCall)`):
   * it stops with it and takes its deadline from it. It is then given no `AbortSignal`, which saves making one per call.
   *
   * @default false
   */
  readonly followsCall?: boolean;
  /** Closes idle connections and lets used ones finish. */
  close(): Promise<void>;
}
