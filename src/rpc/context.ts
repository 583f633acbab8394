import {
  type CallOptions,
  type ContextKey,
  createContextKey,
  createContextValues,
} from "@connectrpc/connect";
import type { Call } from "../core/call.ts";
import { checkCallLinks } from "../core/call-links.ts";
import { checkOptions, type OptionKeys } from "../core/options.ts";
import { type CallOverrides, callPolicyFrom } from "../policy/call-policy.ts";

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
export interface MeshCallOptions extends CallOverrides {
  /**
   * The call on whose behalf this one is made, where no async context carries it; `null` cuts the tie.
   *
   * @default the call whose handler runs now
   */
  readonly parent?: Call | null;
}

const knownCallOptions: OptionKeys<MeshCallOptions> = {
  retry: true,
  idempotent: true,
  priority: true,
  waitForReady: true,
  parent: true,
};

/** What {@link meshCallOptions} is where nothing was set. */
export const noCallOptions: MeshCallOptions = {};

/**
 * Carries {@link MeshCallOptions} with one RPC; {@link callOptions} sets it.
 *
 * @example
 * ```ts
 * const contextValues = createContextValues().set(meshCallOptions, { idempotent: true, priority: 2 });
 * await client.publish(event, { contextValues });
 * ```
 */
export const meshCallOptions: ContextKey<MeshCallOptions> = createContextKey<MeshCallOptions>(noCallOptions, {
  description: "mesh call options",
});

const knownBoth: OptionKeys<MeshCallOptions & CallOptions> = {
  ...knownCallOptions,
  timeoutMs: true,
  headers: true,
  signal: true,
  onHeader: true,
  onTrailer: true,
  contextValues: true,
};
const who = "callOptions()";

/** @throws TypeError for options that do not exist */
export function checkCallOptions(who: string, options: MeshCallOptions): MeshCallOptions {
  checkOptions(who, options, knownCallOptions);
  return options;
}

/**
 * Call options for a method of a Connect client: Connect's own and the mesh's, which are spelt as in REST.
 *
 * @example
 * ```ts
 * await client.publish(event, callOptions({ timeoutMs: 500, idempotent: true, retry: { maxAttempts: 5 } }));
 * ```
 * @throws TypeError | RangeError for options that do not exist or make no sense
 */
export function callOptions(options: MeshCallOptions & CallOptions): CallOptions {
  checkOptions(who, options, knownBoth);
  callPolicyFrom(who, options, undefined);
  checkCallLinks(who, { parent: options.parent, signal: options.signal });
  const { retry, idempotent, priority, waitForReady, parent, ...connect } = options;
  const own = Object.entries({ retry, idempotent, priority, waitForReady, parent });
  const contextValues = connect.contextValues ?? createContextValues();
  const said = Object.fromEntries(own.filter(([, value]) => value !== undefined));
  contextValues.set(meshCallOptions, { ...contextValues.get(meshCallOptions), ...said });
  return { ...connect, contextValues };
}
