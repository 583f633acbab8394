/** Errors that are about what another service sent, whatever their class. */
const upstream = new WeakSet<object>();

/**
 * Marks an error as being about what this service received from another one. When it escapes from a handler, it is
 * not the caller's fault, and nothing that the other service said may go out with it.
 *
 * @returns the same error
 */
export function markUpstream<T>(error: T): T {
  if ((typeof error === "object" && error !== null) || typeof error === "function") upstream.add(error);
  return error;
}

/** Whether {@link markUpstream} has marked the error. */
export function isUpstream(error: unknown): boolean {
  return (
    ((typeof error === "object" && error !== null) || typeof error === "function") && upstream.has(error)
  );
}
