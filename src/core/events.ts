import type { Principal } from "./identity.ts";
import type { Outcome } from "./outcome.ts";

/** Something that was decided about a call, for traces, logs, audit and recordings. See {@link Call.note}. */
export type CallEvent =
  /** An endpoint was picked for this attempt, among so many. */
  | { readonly type: "endpoint-picked"; readonly origin: string; readonly endpoints: number }
  /** The call waited for its service to be resolved. */
  | { readonly type: "resolved"; readonly waitMs: number }
  /** The attempt failed and another one follows after `waitMs`. */
  | {
      readonly type: "retry";
      readonly attempt: number;
      readonly outcome: Outcome;
      readonly waitMs: number;
    }
  /** The attempt failed and no other one follows, although its outcome would allow one. */
  | {
      readonly type: "retry-declined";
      readonly attempt: number;
      readonly outcome: Outcome;
      readonly reason: "attempts" | "budget" | "deadline" | "not-idempotent" | "not-replayable" | "pushback";
    }
  /** A limit refused the call on this side. */
  | { readonly type: "refused"; readonly error: Error }
  /** A server knows who calls; undefined for an anonymous caller. */
  | { readonly type: "authenticated"; readonly principal: Principal | undefined }
  /** The deadline passed before the call ended. */
  | { readonly type: "deadline-exceeded" };
