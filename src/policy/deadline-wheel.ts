import type { Clock } from "../core/clock.ts";
import { quietHook, reportLost } from "../core/hooks.ts";
import { checkFunction, checkNumber, checkOptions, type OptionKeys, orDefault } from "../core/options.ts";
import { onCloudflare } from "../core/platform.ts";

const knownDeadlineWheelOptions: OptionKeys<DeadlineWheelOptions> = {
  granularityMs: true,
  stepMs: true,
  onError: true,
};

/** A deadline that is being watched; good for {@link Deadlines.remove} and nothing else. */
export interface DeadlineEntry {
  /** When it passes, on the clock of the one who watches. */
  readonly due: number;
}

/** Watches deadlines: very many, almost none of which ever pass. */
export interface Deadlines {
  /** Calls `expire` once `due` has passed: never before, and soon after. */
  add(due: number, expire: () => void): DeadlineEntry;
  /** Forgets a deadline, also one that has passed. */
  remove(entry: DeadlineEntry): void;
}

/** Options of {@link DeadlineWheel}. */
export interface DeadlineWheelOptions {
  /** How late a deadline may be noticed, in milliseconds. @default 5 */
  readonly granularityMs?: number;
  /** How long the timer may sleep, and so how long an empty wheel may keep one. @default 50 */
  readonly stepMs?: number;
  /** Told of what an `expire` threw; the others of its turn run all the same. @default console.error */
  readonly onError?: (error: unknown) => void;
}

function reportExpire(error: unknown): void {
  reportLost("What a deadline set off", error);
}

/** Runs what a deadline sets off; a failure of it is told, and goes no further. */
function runExpire(expire: () => void, onError: (error: unknown) => void): void {
  try {
    expire();
  } catch (error) {
    onError(error);
  }
}

class Entry implements DeadlineEntry {
  readonly due: number;
  readonly tick: number;
  readonly expire: () => void;
  /** Undefined while it is not on the wheel. */
  previous: Link | undefined = undefined;
  next: Entry | undefined = undefined;

  constructor(due: number, tick: number, expire: () => void) {
    this.due = due;
    this.tick = tick;
    this.expire = expire;
  }
}

/** Head of a slot's list, or an entry in it. */
interface Link {
  next: Entry | undefined;
}

const slotCount = 1024;

/**
 * A hashed timing wheel: watches any number of deadlines with one platform timer.
 *
 * A timer per call costs more than the rest of the policies together, and in practice every one of them is
 * cancelled. Here a deadline costs an entry in a list. The timer sleeps `stepMs` at most and is not
 * armed again once the wheel is empty, so that nothing keeps an idle process alive.
 *
 * Ticks are multiples of `granularityMs` on the clock; a deadline belongs to the first tick at or after it.
 */
export class DeadlineWheel implements Deadlines {
  readonly #clock: Clock;
  readonly #granularityMs: number;
  readonly #stepTicks: number;
  readonly #onError: (error: unknown) => void;
  readonly #slots: readonly Link[] = Array.from({ length: slotCount }, () => ({ next: undefined }));
  #size = 0;
  /** The last tick that was handled. */
  #tick = 0;
  /** The tick that the timer is armed for; 0 while there is no timer. */
  #armedFor = 0;
  #disarm: (() => void) | undefined;

  constructor(clock: Clock, options: DeadlineWheelOptions = {}) {
    checkOptions("DeadlineWheel", options, knownDeadlineWheelOptions);
    const granularityMs = checkNumber("DeadlineWheel", "granularityMs", orDefault(options.granularityMs, 5), {
      above: true,
    });
    const stepMs = checkNumber("DeadlineWheel", "stepMs", orDefault(options.stepMs, 50), {
      min: granularityMs,
    });
    this.#clock = clock;
    this.#granularityMs = granularityMs;
    this.#stepTicks = Math.floor(stepMs / granularityMs);
    const onError = checkFunction("DeadlineWheel", "onError", options.onError);
    this.#onError = onError === undefined ? reportExpire : quietHook(onError);
  }

  /** How many deadlines are being watched. */
  get size(): number {
    return this.#size;
  }

  add(due: number, expire: () => void): DeadlineEntry {
    if (this.#size === 0 && this.#disarm === undefined) this.#tick = this.#tickAt(this.#clock.now());
    // One that has passed already belongs to the next tick: nobody is called back from within `add`.
    const tick = Math.max(Math.ceil(due / this.#granularityMs), this.#tick + 1);
    const entry = new Entry(due, tick, expire);
    const head = this.#slots[tick % slotCount] as Link;
    entry.previous = head;
    entry.next = head.next;
    if (head.next !== undefined) head.next.previous = entry;
    head.next = entry;
    this.#size++;
    if (this.#disarm === undefined) this.#arm(Math.min(tick, this.#tick + this.#stepTicks));
    else if (tick < this.#armedFor) {
      this.#disarm();
      this.#arm(tick);
    }
    return entry;
  }

  remove(entry: DeadlineEntry): void {
    const { previous, next } = entry as Entry;
    if (previous === undefined) return;
    previous.next = next;
    if (next !== undefined) next.previous = previous;
    (entry as Entry).previous = undefined;
    this.#size--;
  }

  #tickAt(now: number): number {
    return Math.floor(now / this.#granularityMs);
  }

  #arm(tick: number): void {
    this.#armedFor = tick;
    // Rounded up: platform timers drop the fraction, and would fire before the tick only to be armed again.
    const waitMs = Math.ceil(tick * this.#granularityMs - this.#clock.now());
    this.#disarm = this.#clock.schedule(() => this.#turn(), Math.max(waitMs, 1));
  }

  #turn(): void {
    this.#disarm = undefined;
    const now = this.#tickAt(this.#clock.now());
    const expired: Entry[] = [];
    // After a long pause (a suspended laptop) each slot still needs only one visit.
    const first = Math.max(this.#tick + 1, now - slotCount + 1);
    for (let tick = first; tick <= now; tick++) {
      let entry = (this.#slots[tick % slotCount] as Link).next;
      while (entry !== undefined) {
        const { next } = entry;
        if (entry.tick <= now) {
          this.remove(entry);
          expired.push(entry);
        }
        entry = next;
      }
    }
    this.#tick = Math.max(this.#tick, now);
    if (this.#size > 0) this.#arm(this.#nextTick());
    expired.sort((a, b) => a.due - b.due);
    for (const entry of expired) runExpire(entry.expire, this.#onError);
  }

  /** The next tick with a deadline, or the end of the longest sleep. */
  #nextTick(): number {
    const last = this.#tick + this.#stepTicks;
    for (let tick = this.#tick + 1; tick < last; tick++) {
      let entry = (this.#slots[tick % slotCount] as Link).next;
      for (; entry !== undefined; entry = entry.next) if (entry.tick === tick) return tick;
    }
    return last;
  }
}

interface TimerEntry extends DeadlineEntry {
  readonly cancel: () => void;
  readonly expire: () => void;
}

/** How long after its deadline a timer is given up for lost. */
const lostAfterMs = 1_000;

/**
 * One platform timer per deadline, for platforms where a timer belongs to the request that made it, and dies with it. When
 * the platform ends a request that hangs, nobody is told; so requests that come later look for deadlines that have passed
 * unnoticed, once a second at most.
 */
export class DeadlineTimers implements Deadlines {
  readonly #clock: Clock;
  readonly #entries = new Set<TimerEntry>();
  #sweepAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(due: number, expire: () => void): DeadlineEntry {
    this.#sweep();
    let cancel = (): void => {};
    const run = (): void => {
      this.#entries.delete(entry);
      runExpire(expire, reportExpire);
    };
    const arm = (): void => {
      cancel = this.#clock.schedule(
        // Platform timers may fire a fraction of a millisecond early.
        () => (this.#clock.now() < due ? arm() : run()),
        Math.max(Math.ceil(due - this.#clock.now()), 1),
      );
    };
    const entry: TimerEntry = { due, cancel: () => cancel(), expire: run };
    arm();
    this.#entries.add(entry);
    return entry;
  }

  remove(entry: DeadlineEntry): void {
    this.#entries.delete(entry as TimerEntry);
    try {
      (entry as TimerEntry).cancel();
    } catch {
      // A timer of another request, which is gone.
    }
  }

  #sweep(): void {
    const now = this.#clock.now();
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + lostAfterMs;
    for (const { due, expire } of [...this.#entries]) if (now >= due + lostAfterMs) expire();
  }
}

const shared = new WeakMap<Clock, Deadlines>();

/**
 * The deadlines of a clock: one wheel for everybody who uses that clock. On Cloudflare's runtime, where a
 * timer dies with the request that made it, each deadline has its own instead.
 */
export function deadlinesOf(clock: Clock): Deadlines {
  let deadlines = shared.get(clock);
  if (deadlines === undefined) {
    deadlines = onCloudflare() ? new DeadlineTimers(clock) : new DeadlineWheel(clock);
    shared.set(clock, deadlines);
  }
  return deadlines;
}
