import type { Call } from "../core/call.ts";
import { checkBoolean, checkNumber, type NumberRange } from "../core/options.ts";
import { checkRetryPolicy, type RetryPolicy } from "./retry-plan.ts";

/** What a caller says about one call, in the same words in every protocol; what it leaves out, the policies say. */
export interface CallOverrides {
  /**
   * How this call is repeated: what it leaves out is as the policies have it. `false` for a single attempt.
   *
   * @default the policies'
   */
  readonly retry?: false | RetryPolicy;
  /** Whether the call may be repeated. @default the policies', else what its method promises */
  readonly idempotent?: boolean;
  /**
   * Travels with the call, for layers of the application's own: 0 matters most, higher numbers less. The mesh itself
   * refuses nothing by it.
   *
   * @default the policies', else that of the call on whose behalf it is made, or 0
   */
  readonly priority?: number;
  /** Whether it waits, within its deadline, while there is no endpoint to take it. @default the policies', else false */
  readonly waitForReady?: boolean;
}

/** What a priority may be: a larger number is not read by the services that it travels to. */
export const priorities: NumberRange = { integer: true, max: 9_999 };

/** What holds for one call, where that is not what holds for all calls to its service: `call.policy`. */
export interface CallPolicy {
  /** What the policies say of its method; the same object for all calls of the method, until they change. */
  readonly ofMethod: object | undefined;
  /** What its caller said. */
  readonly retry: CallOverrides["retry"] | undefined;
  readonly waitForReady: boolean | undefined;
}

/** What holds for a call alone; undefined for nearly all. */
export function callPolicyOf(call: Call): CallPolicy | undefined {
  // Made by `callPolicyFrom` or `CallDefaults` alone: `core` has no name for it.
  return call.policy as CallPolicy | undefined;
}

/** What the policies of a mesh say of a call, unless its caller says otherwise. */
export interface CallDefaults {
  /** The whole call, in milliseconds. */
  readonly timeoutMs: number;
  readonly idempotent: boolean | undefined;
  readonly priority: number | undefined;
  /** For `call.policy`; undefined where nothing but the policies of the service holds. */
  readonly policy: CallPolicy | undefined;
}

/** Without a mesh: 30 s, and all else as the layers have it. */
export const plainCallDefaults: CallDefaults = {
  timeoutMs: 30_000,
  idempotent: undefined,
  priority: undefined,
  policy: undefined,
};

/**
 * Checks what a caller says, and adds it to what the policies say.
 *
 * @throws TypeError | RangeError when it makes no sense
 */
export function callPolicyFrom(
  who: string,
  {
    retry,
    idempotent,
    priority,
    waitForReady,
  }: { readonly [K in keyof CallOverrides]: CallOverrides[K] | undefined },
  base: CallPolicy | undefined,
): CallPolicy | undefined {
  if (idempotent !== undefined) checkBoolean(who, "idempotent", idempotent);
  if (priority !== undefined) checkNumber(who, "priority", priority, priorities);
  if (retry === undefined && waitForReady === undefined) return base;
  checkBoolean(who, "waitForReady", waitForReady);
  if (retry !== undefined) checkRetryPolicy(who, retry);
  return { ofMethod: base?.ofMethod, retry, waitForReady };
}
