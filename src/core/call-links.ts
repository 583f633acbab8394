import type { Call } from "./call.ts";
import { checkMethods, checkText } from "./options.ts";

/** What ties a call to others, and names it, as its caller says. */
export interface CallLinks {
  readonly signal?: AbortSignal | null | undefined;
  readonly parent?: Call | null | undefined;
  readonly operation?: string | undefined;
  readonly idempotencyKey?: string | undefined;
}

/** @throws TypeError for what is no signal, no call or no text */
export function checkCallLinks(who: string, { signal, parent, operation, idempotencyKey }: CallLinks): void {
  if (signal !== undefined) {
    const remedy = "an AbortSignal, such as controller.signal or AbortSignal.timeout(5_000)";
    checkMethods(who, "signal", signal as AbortSignal, ["addEventListener", "throwIfAborted"], remedy);
  }
  if (parent !== undefined && parent !== null) {
    const remedy = 'a call, such as mesh.current() or c.get("call"), or null for none';
    checkMethods(who, "parent", parent, ["onEnd", "throwIfCancelled"], remedy);
  }
  if (operation !== undefined) checkText(who, "operation", operation);
  if (idempotencyKey !== undefined) checkText(who, "idempotencyKey", idempotencyKey);
}
