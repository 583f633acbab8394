const reported = new WeakSet<object>();

/** Says of an error that somebody has been told of it, so that those who meet it next need not tell anybody. */
export function markReported(error: unknown): void {
  if (typeof error === "object" && error !== null) reported.add(error);
}

/** Whether somebody has been told of an error already. */
export function isReported(error: unknown): boolean {
  return typeof error === "object" && error !== null && reported.has(error);
}
