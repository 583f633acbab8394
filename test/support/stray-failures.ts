import process from "node:process";

/** What reached nobody: rejections without a handler, and exceptions that left the event loop. */
export interface StrayFailures {
  readonly seen: readonly unknown[];
  /** Stops listening. */
  stop(): void;
}

/** Listens for failures that would end a process; while it does, they end none. */
export function watchStrayFailures(): StrayFailures {
  const seen: unknown[] = [];
  const note = (error: unknown): void => {
    seen.push(error);
  };
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  return {
    seen,
    stop() {
      process.off("unhandledRejection", note);
      process.off("uncaughtException", note);
    },
  };
}
