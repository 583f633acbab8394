import type { Clock } from "../../core/clock.ts";
import type { Health } from "../../serve/health.ts";

/** What one watcher waits for: changes of health, and the end of its own call. */
export class HealthWatcher {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #unsubscribe: () => void;
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #onAbort = (): void => this.#wake?.();
  #wake: (() => void) | undefined;
  #changed = false;

  constructor(health: Health, clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort, { once: true });
    this.#unsubscribe = health.subscribe((status) => {
      this.#changed = true;
      this.#wake?.();
      // A drain waits until the watcher was told, which is when it has gone.
      return status === "draining" ? this.#closed.promise : undefined;
    });
  }

  /** Whether the watcher has gone. */
  get over(): boolean {
    return this.#signal.aborted;
  }

  /** Says that the watcher looks now: what changed before is no news any more. */
  look(): void {
    this.#changed = false;
  }

  /** Resolves at the next change after the last look, when the watcher goes, and after `ms` at the latest. */
  async next(ms: number): Promise<void> {
    if (this.#changed || this.over) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const disarm = ms === Infinity ? undefined : this.#clock.schedule(resolve, ms);
    await promise;
    disarm?.();
    this.#wake = undefined;
  }

  close(): void {
    this.#unsubscribe();
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#closed.resolve();
  }
}
