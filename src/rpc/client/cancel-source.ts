/** What can cancel a call without an `AbortSignal`; the mesh's `Call` is one. */
export interface CancelSource {
  readonly cancelled: boolean;
  readonly reason: unknown;
  /** Calls `listener` once, at once if it happened already; the returned function removes it. */
  onCancel(listener: (reason: unknown) => void): () => void;
}

/** Calls `listener` when the source cancels; the returned function stops that. */
export function watchCancel(
  source: AbortSignal | CancelSource,
  listener: (reason: unknown) => void,
): (() => void) | undefined {
  if ("onCancel" in source) return source.onCancel(listener);
  if (source.aborted) {
    listener(source.reason);
    return undefined;
  }
  const onAbort = (): void => listener(source.reason);
  source.addEventListener("abort", onAbort, { once: true });
  return () => source.removeEventListener("abort", onAbort);
}
