/**
 * The one source of time. Policies never touch `Date` or `setTimeout` themselves, so each of them is
 * tested on a virtual clock.
 */
export interface Clock {
  /** Monotonic time in milliseconds; only differences mean anything. */
  now(): number;
  /** Runs `task` once, `ms` milliseconds from now; the returned function cancels it. */
  schedule(task: () => void, ms: number): () => void;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay a platform timer takes; a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

function sleepOn(clock: Pick<Clock, "schedule">, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const cancel = clock.schedule(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    function onAbort(): void {
      cancel();
      reject(signal?.reason);
    }
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Makes a clock from its two primitives; `sleep` follows from them.
 *
 * @example
 * ```ts
 * const clock = clockFrom({ now: () => performance.now(), schedule: mySchedule });
 * ```
 */
export function clockFrom(primitives: Pick<Clock, "now" | "schedule">): Clock {
  return {
    now: primitives.now,
    schedule: primitives.schedule,
    sleep: (ms, signal) => sleepOn(primitives, ms, signal),
  };
}

/** The platform's own clock. */
export const systemClock: Clock = clockFrom({
  now: () => performance.now(),
  schedule(task, ms) {
    const timer = setTimeout(task, Math.min(Math.max(ms, 0), maxTimerMs));
    return () => clearTimeout(timer);
  },
});
