const upstream = new WeakSet<object>();

/**
 * Marks an error as one that another service's response caused, and returns it.
 *
 * Such an error is never reported as the caller's fault, and its text never leaves this side.
 */
export function markUpstream<T>(error: T): T {
  if (typeof error === "object" && error !== null) upstream.add(error);
  return error;
}

/** Whether an error was marked by {@link markUpstream}. */
export function isUpstream(error: unknown): boolean {
  return typeof error === "object" && error !== null && upstream.has(error);
}
