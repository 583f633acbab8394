import { type Clock, systemClock } from "../core/clock.ts";
import { isThenable, reportLost } from "../core/hooks.ts";
import { checkNumber, checkOptions, type OptionKeys } from "../core/options.ts";
import type { Health } from "./health.ts";

const knownLifecycleOptions: OptionKeys<LifecycleOptions> = {
  listener: true,
  health: true,
  drain: true,
  clock: true,
};

const knownDrainOptions: OptionKeys<DrainOptions> = {
  delayMs: true,
  timeoutMs: true,
};

/** Watchers of health that read slowly do not hold up the end for longer. */
const maxTellMs = 1_000;
/** What has been written needs so long to leave the process. */
const flushMs = 10;

/** What a lifecycle closes; the runtime's listener is one. */
export interface Drainable {
  /** Takes nothing new; resolves when the last request has finished. */
  drain(): Promise<void>;
  /** Ends everything at once. */
  destroy(): Promise<void>;
}

/** How a service lets go of its work. */
export interface DrainOptions {
  /**
   * How long it goes on serving new requests although it is no longer ready, in milliseconds: balancers need that time to
   * notice, and send to it until then. In Kubernetes 5_000 is usual.
   *
   * @default 0
   */
  readonly delayMs?: number;
  /** How long work in flight may take after that, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number;
}

/** Options of {@link createLifecycle}. */
export interface LifecycleOptions {
  readonly listener: Drainable;
  /** Told first, so that probes and watchers see it before any connection closes. */
  readonly health?: Pick<Health, "drain">;
  readonly drain?: DrainOptions | undefined;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** How a service ends. */
export interface Lifecycle {
  /** Whether `close()` has been called. */
  readonly closing: boolean;
  /** Resolves when everything is closed. */
  readonly closed: Promise<void>;
  /**
   * Not ready, after the delay no new work, then time for the work in flight, then the end. Further calls wait
   * for the same end; one with `force` waits for nothing.
   */
  close(options?: { readonly force?: boolean }): Promise<void>;
}

/**
 * Checks how a service is to drain, and fills in the defaults.
 *
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function drainFrom(who: string, drain: DrainOptions = {}): Required<DrainOptions> {
  checkOptions(`${who}'s drain`, drain, knownDrainOptions);
  const { delayMs = 0, timeoutMs = 30_000 } = drain;
  return {
    delayMs: checkNumber(who, "drain.delayMs", delayMs),
    timeoutMs: checkNumber(who, "drain.timeoutMs", timeoutMs),
  };
}

/**
 * Makes the end of a service, for signals and for callers alike.
 *
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function createLifecycle(options: LifecycleOptions): Lifecycle {
  const who = "createLifecycle()";
  checkOptions(who, options, knownLifecycleOptions);
  const { listener, health, clock = systemClock } = options;
  const { delayMs, timeoutMs } = drainFrom(who, options.drain);
  const { promise: closed, resolve: tellClosed } = Promise.withResolvers<void>();
  const { promise: forced, resolve: force } = Promise.withResolvers<void>();
  let closing = false;

  async function run(): Promise<void> {
    const told = tell();
    if (delayMs > 0) await delay();
    const { promise: late, resolve: tellLate } = Promise.withResolvers<void>();
    const disarm = clock.schedule(tellLate, timeoutMs);
    if (told !== undefined) await heard(told, late);
    // A listener that cannot drain is destroyed all the same.
    const drained = attempt(() => listener.drain());
    await Promise.race([drained, late, forced]);
    disarm();
    await attempt(() => listener.destroy());
    tellClosed();
  }

  async function delay(): Promise<void> {
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const disarm = clock.schedule(resolve, delayMs);
    await Promise.race([over, forced]);
    disarm();
  }

  /** A failure in health must not keep the service from closing. */
  function tell(): Promise<void> | undefined {
    try {
      const told = health?.drain();
      return isThenable(told) ? attempt(() => told) : undefined;
    } catch (error) {
      reportLost("The drain of health", error);
      return undefined;
    }
  }

  /** Waits until the watchers have been told: HTTP/2 sends a GOAWAY before whatever else is waiting. */
  async function heard(told: Promise<void>, late: Promise<void>): Promise<void> {
    const over = new AbortController();
    const flushed = told.then(() => clock.sleep(flushMs, over.signal));
    const patience = clock.sleep(maxTellMs, over.signal);
    await Promise.race([flushed, patience, late, forced]);
    for (const rest of [flushed, patience]) rest.catch(() => {});
    over.abort();
  }

  return {
    get closing() {
      return closing;
    },
    closed,
    close({ force: now = false } = {}) {
      if (now) force();
      if (!closing) {
        closing = true;
        // Never rejects: each of its steps is tried. Callers wait for `closed`.
        void run();
      }
      return closed;
    },
  };
}

async function attempt(task: () => PromiseLike<unknown>): Promise<void> {
  try {
    await task();
  } catch (error) {
    // The way out has no other way.
    reportLost("A step of the drain", error);
  }
}
