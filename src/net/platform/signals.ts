import process from "node:process";

/** Listens for signals of the operating system; the returned function stops that. */
export function onSignals(
  signals: readonly ("SIGTERM" | "SIGINT")[],
  handler: (signal: string) => void,
): () => void {
  const listeners = signals.map((signal) => [signal, () => handler(signal)] as const);
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
}
