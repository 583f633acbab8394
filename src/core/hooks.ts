/**
 * Tells of a failure that has nobody else to go to: of a listener, or of a callback that a timer ran. Never throws.
 */
export function reportLost(what: string, error: unknown): void {
  try {
    // biome-ignore lint/suspicious/noConsole: the failure goes nowhere else, and must not vanish
    console.error(`${what} failed:`, error);
  } catch {
    // Some values cannot even be printed.
  }
}

/** Whether a value has to be waited for, whatever made it. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}

/** The same for what a listener returned: one that is asynchronous may fail later, and must not end the process. */
export function reportLate(what: string, result: unknown): void {
  if (isThenable(result)) result.then(undefined, (error) => reportLost(what, error));
}

/** Tells a listener of a call: one that throws must not keep the others, or what ended the call, from going on. */
export function tell<T, C>(listener: (value: T, call: C) => void, value: T, call: C): void {
  try {
    reportLate("A listener of a call", listener(value, call));
  } catch (error) {
    reportLost("A listener of a call", error);
  }
}

function ignore(): void {}

/** Lets go of what should not have been there: a promise in its place may reject, and nobody is to be told of that. */
export function ignoreRejection(value: unknown): void {
  if (isThenable(value)) value.then(ignore, ignore);
}

/**
 * The same hook, except that its failure is nobody's: what it throws is dropped, and what it returns is not waited
 * for and may reject. For hooks that are told of errors, and must not make more of them.
 */
export function quietHook<A extends readonly unknown[]>(hook: (...args: A) => unknown): (...args: A) => void {
  return function quiet(...args) {
    try {
      ignoreRejection(hook(...args));
    } catch {
      // The hook is where failures are reported: there is nobody left to tell.
    }
  };
}
