import { Call } from "../../core/call.ts";
import type { Clock } from "../../core/clock.ts";
import { type DeadlineEntry, deadlinesOf } from "../../policy/deadline-wheel.ts";

/** What stops a call over one transport: a signal, or the mesh's call on whose behalf it is made. */
export type CancelSource = AbortSignal | Call;

/** Calls `listener` when the source cancels, at once if it has; the returned function stops that. */
export function watchCancel(
  source: CancelSource,
  listener: (reason: unknown) => void,
): (() => void) | undefined {
  if (source instanceof Call) return source.onCancel(listener);
  if (source.aborted) {
    listener(source.reason);
    return undefined;
  }
  const onAbort = (): void => listener(source.reason);
  source.addEventListener("abort", onAbort, { once: true });
  return () => source.removeEventListener("abort", onAbort);
}

/**
 * Calls `expire` at the deadline, by the one wheel of the clock. A mesh's call is cancelled at its own deadline by its
 * timeout layer: one that is no earlier costs nothing here.
 */
export function watchDeadline(
  clock: Clock,
  due: number,
  source: CancelSource | undefined,
  expire: () => void,
): DeadlineEntry | undefined {
  if (source instanceof Call && source.deadline <= due) return undefined;
  return deadlinesOf(clock).add(due, expire);
}
