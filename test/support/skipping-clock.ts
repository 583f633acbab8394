import { type Clock, clockFrom } from "../../src/core/clock.ts";

interface Task {
  due: number;
  readonly run: () => void;
  timer: ReturnType<typeof setTimeout>;
}

/** The platform's clock, on which a test may skip time that it does not want to wait for. */
export class SkippingClock implements Clock {
  #skipped = 0;
  readonly #tasks = new Set<Task>();
  readonly sleep: Clock["sleep"] = clockFrom(this).sleep;

  now(): number {
    return performance.now() + this.#skipped;
  }

  schedule(run: () => void, ms: number): () => void {
    const task: Task = { due: this.now() + ms, run, timer: setTimeout(() => this.#run(task), ms) };
    this.#tasks.add(task);
    return () => {
      clearTimeout(task.timer);
      this.#tasks.delete(task);
    };
  }

  /** So much time has passed; what was due by now runs. */
  skip(ms: number): void {
    this.#skipped += ms;
    const now = this.now();
    const due = [...this.#tasks].filter((task) => task.due <= now).sort((a, b) => a.due - b.due);
    for (const task of due) if (this.#tasks.has(task)) this.#run(task);
  }

  /** Nothing that is still to come runs, or keeps the process. */
  stop(): void {
    for (const { timer } of this.#tasks) clearTimeout(timer);
    this.#tasks.clear();
  }

  #run(task: Task): void {
    clearTimeout(task.timer);
    this.#tasks.delete(task);
    task.run();
  }
}
