const reported = new WeakSet<object>();

/**
 * Says of an error that somebody has been told of it, so that those who meet it next need not tell anybody.
 *
 * @returns the error to pass on: the same, or one around a value that nothing can be said of
 */
export function markReported(error: unknown): unknown {
  const passed =
    typeof error === "object" && error !== null ? error : new Error(String(error), { cause: error });
  reported.add(passed);
  return passed;
}

/** Whether somebody has been told of an error already. */
export function isReported(error: unknown): boolean {
  return typeof error === "object" && error !== null && reported.has(error);
}
