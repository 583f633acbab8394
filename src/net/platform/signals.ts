/** Listens for signals of the operating system; the returned function stops that. */
export function onSignals(
  signals: readonly ("SIGTERM" | "SIGINT")[],
  handler: (signal: string) => void,
): () => void {
  // The global, because Node evaluates every getter of what is imported as a module: reports, streams, and more.
  const listeners = signals.map((signal) => [signal, () => handler(signal)] as const);
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
}
