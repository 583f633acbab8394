import type { Call } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";

/**
 * Waits on behalf of a call: rejects with its reason as soon as it is cancelled.
 * Listens to the call itself, so that nobody has to make an `AbortSignal`.
 */
export function waitFor(call: Call, clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = clock.schedule(() => {
      remove();
      resolve();
    }, ms);
    const remove = call.onCancel((reason) => {
      stop();
      reject(reason);
    });
  });
}

/** The same result, unless the call is cancelled before: then its reason, whether or not the work listens. */
export function unlessCancelled<T>(call: Call, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = call.onCancel(reject);
    work.then(
      (value) => {
        leave();
        resolve(value);
      },
      (error) => {
        leave();
        reject(error);
      },
    );
  });
}
