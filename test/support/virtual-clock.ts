import { type Clock, clockFrom } from "../../src/core/clock.ts";

interface Task {
  readonly due: number;
  readonly run: () => void;
}

/** As they were at the start: a test may take them away from what it tests. */
const platform = { setImmediate: globalThis.setImmediate, setTimeout: globalThis.setTimeout };

const macrotask: (run: () => void) => void =
  typeof setImmediate === "function"
    ? (run) => platform.setImmediate.call(globalThis, run)
    : (run) => platform.setTimeout.call(globalThis, run, 0);

/**
 * Lets every promise reaction that can run do so, however long the chain: one turn of the platform's own
 * event loop. No virtual time passes.
 */
export function settle(): Promise<void> {
  return new Promise((resolve) => macrotask(resolve));
}

/** Options of {@link VirtualClock}. */
export interface VirtualClockOptions {
  /** What `now()` says at first; not 0, so that code that takes 0 for "never" is found out. @default 1000 */
  readonly startMs?: number;
}

/**
 * A clock whose time passes only when the test says so.
 *
 * `now()` moves neither during a task nor between awaits, tasks run in the order of their due times (ties in
 * the order they were scheduled), and between two tasks everything that promises have started runs to its end.
 * So a test of a 60 s back-off takes a millisecond and has one possible outcome.
 *
 * @example
 * ```ts
 * const clock = new VirtualClock();
 * const woken = clock.sleep(5_000);
 * await clock.advance(5_000);
 * await woken;
 * ```
 */
export class VirtualClock implements Clock {
  #now: number;
  /** Sorted by due time; ties stay in the order they came. */
  readonly #tasks: Task[] = [];
  readonly #sleep: Clock["sleep"];

  constructor(options: VirtualClockOptions = {}) {
    this.#now = options.startMs ?? 1000;
    this.#sleep = clockFrom(this).sleep;
    // Handed around as bare functions (`{ now: clock.now }`), as the platform's clock allows too.
    this.now = this.now.bind(this);
    this.schedule = this.schedule.bind(this);
    this.sleep = this.sleep.bind(this);
  }

  now(): number {
    return this.#now;
  }

  /**
   * Runs `task` once time has been advanced by `ms`; a negative delay counts as none, as on the platform.
   *
   * @throws RangeError when `ms` is not a number: a platform timer would fire at once and hide the bug
   */
  schedule(task: () => void, ms: number): () => void {
    if (Number.isNaN(ms)) throw new RangeError("Cannot schedule a task: ms is NaN; pass a number");
    const entry: Task = { due: this.#now + Math.max(ms, 0), run: task };
    const later = this.#tasks.findIndex((other) => other.due > entry.due);
    this.#tasks.splice(later < 0 ? this.#tasks.length : later, 0, entry);
    return () => {
      const index = this.#tasks.indexOf(entry);
      if (index >= 0) this.#tasks.splice(index, 1);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#sleep(ms, signal);
  }

  /** How many tasks wait; a test that ends with one has found a timer that leaks. */
  get pending(): number {
    return this.#tasks.length;
  }

  /** Milliseconds until the next task is due; undefined when none waits. */
  get nextInMs(): number | undefined {
    const next = this.#tasks[0];
    return next === undefined ? undefined : Math.max(next.due - this.#now, 0);
  }

  /**
   * Lets `ms` milliseconds pass: runs what falls due, also what those tasks schedule in turn, in order.
   * What a task throws comes out here.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`Cannot advance the clock: ms is ${ms}; time only goes forward`);
    await settle();
    const end = this.#now + ms;
    for (let task = this.#tasks[0]; task !== undefined && task.due <= end; task = this.#tasks[0]) {
      this.#tasks.shift();
      this.#now = Math.max(this.#now, task.due);
      task.run();
      await settle();
    }
    this.#now = Math.max(this.#now, end);
  }

  /**
   * Lets as much time pass as `promise` needs, and settles as it does.
   *
   * @throws Error when nothing is scheduled any more and the promise is still open, or after `limitMs`
   */
  async run<T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    const end = this.#now + limitMs;
    await settle();
    while (!settled) {
      const next = this.nextInMs;
      if (next === undefined)
        throw new Error("Cannot run the promise: it is open and no task waits on the clock");
      if (this.#now + next > end) throw new Error(`Cannot run the promise: it is open after ${limitMs} ms`);
      await this.advance(next);
    }
    return promise;
  }
}
