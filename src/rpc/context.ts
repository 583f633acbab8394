import { type ContextKey, createContextKey } from "@connectrpc/connect";
import type { Call, Idempotency } from "../core/call.ts";

/**
 * The mesh's call behind an RPC: in a handler the call that is being served, in a transport the attempt that is
 * being made.
 *
 * @example
 * ```ts
 * const call = context.values.get(meshCall);
 * console.log(call?.peer?.spiffeId, call?.principal?.id);
 * ```
 */
export const meshCall: ContextKey<Call | undefined> = createContextKey<Call | undefined>(undefined, {
  description: "mesh call",
});

/** What a caller can say about one RPC beyond Connect's own call options. */
export interface MeshCallOptions {
  /** Overrules what the method's `idempotency_level` says. */
  readonly idempotency?: Idempotency;
  /** 0 is shed last, higher numbers sooner. @default the parent's, else 0 */
  readonly priority?: number;
  /**
   * The call on whose behalf this one is made, where no async context carries it; `null` cuts the tie.
   *
   * @default the call whose handler runs now
   */
  readonly parent?: Call | null;
}

/**
 * Carries {@link MeshCallOptions} with one RPC.
 *
 * @example
 * ```ts
 * const contextValues = createContextValues().set(meshCallOptions, { idempotency: "idempotent", priority: 2 });
 * await client.publish(event, { contextValues });
 * ```
 */
export const meshCallOptions: ContextKey<MeshCallOptions> = createContextKey<MeshCallOptions>(
  {},
  { description: "mesh call options" },
);
