import { reportLate, reportLost } from "./hooks.ts";

/**
 * A value that may change while the process runs: certificates, policies, limits, lists of endpoints, keys.
 *
 * What takes `T | Source<T>` takes a plain value as well: one that never changes.
 */
export interface Source<T> {
  /** The value as of now. */
  readonly current: T;
  /** Calls `listener` after each change; the returned function ends that. */
  watch(listener: (value: T) => void): () => void;
  /** Lets go of files, timers and connections. */
  close?(): void | Promise<void>;
}

/** A {@link Source} whose value is set by the program itself. */
export interface SettableSource<T> extends Source<T> {
  /** Takes on a new value and tells everybody who watches, unless it is the value that was there. */
  set(value: T): void;
}

class ValueSource<T> implements SettableSource<T> {
  #current: T;
  readonly #listeners = new Set<(value: T) => void>();

  constructor(initial: T) {
    this.#current = initial;
  }

  get current(): T {
    return this.#current;
  }

  watch(listener: (value: T) => void): () => void {
    // A function of its own, so that the same listener may watch twice.
    const own = (value: T): void => listener(value);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  set(value: T): void {
    if (value === this.#current) return;
    this.#current = value;
    for (const listener of [...this.#listeners]) {
      // A listener before this one has set another value, and all have been told of that; or it has ended the watch.
      if (this.#current !== value) return;
      if (!this.#listeners.has(listener)) continue;
      try {
        reportLate("A listener of a source", listener(value));
      } catch (error) {
        reportLost("A listener of a source", error);
      }
    }
  }
}

/**
 * Makes a source whose value the program sets.
 *
 * @example
 * ```ts
 * const policies = createSource({ lake: { timeoutMs: 2_000 } });
 * const mesh = createMesh({ service: "gateway", policies });
 * policies.set({ lake: { timeoutMs: 500 } });
 * ```
 */
export function createSource<T>(initial: T): SettableSource<T> {
  return new ValueSource(initial);
}

/** Whether a value is a {@link Source}. */
export function isSource(value: unknown): value is Source<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "current" in value &&
    typeof (value as { watch?: unknown }).watch === "function"
  );
}

/** The value as a source; one that is a source already stays what it is. */
export function sourceOf<T>(value: T | Source<T>): Source<T> {
  if (isSource(value)) return value as Source<T>;
  return { current: value, watch: () => () => {} };
}

/**
 * The value as a source that can be watched and not closed: a source that the program passed in may be shared, and is
 * closed by the code that made it.
 */
export function borrowedSource<T>(value: T | Source<T>): Source<T> {
  const source = sourceOf(value);
  return {
    get current() {
      return source.current;
    },
    watch: (listener) => source.watch(listener),
  };
}

/**
 * A source of what is made from each value of another, with each value checked before it is taken.
 *
 * @param take - makes the new value, and throws when what is given is no good
 * @param onRefused - told why a new value was refused; the one before stays in use
 * @throws what `take` throws for the first value
 */
export function checkedSource<T, U>(
  source: Source<T>,
  take: (value: T) => U,
  onRefused: (error: unknown) => void,
): Source<U> {
  const checked = createSource(take(source.current));
  const stop = source.watch((value) => {
    try {
      checked.set(take(value));
    } catch (error) {
      onRefused(error);
    }
  });
  return {
    get current() {
      return checked.current;
    },
    watch: (listener) => checked.watch(listener),
    close() {
      stop();
      return source.close?.();
    },
  };
}
