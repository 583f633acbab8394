import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DeadlineTimers, DeadlineWheel, deadlinesOf } from "../../src/policy/deadline-wheel.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

describe("DeadlineWheel", () => {
  it("never calls early, and at most its granularity late", async () => {
    const clock = new VirtualClock({ startMs: 1_003.7 });
    const wheel = new DeadlineWheel(clock, { granularityMs: 5 });
    const start = clock.now();
    const lateness: number[] = [];
    const delays = [0.1, 1, 4.9, 5, 7, 49, 50, 51, 333.3, 999, 5_119, 5_120, 5_121, 12_345, 30_000];
    for (const delay of delays) wheel.add(start + delay, () => lateness.push(clock.now() - start - delay));
    await clock.advance(30_010);
    assert.equal(lateness.length, delays.length);
    for (const late of lateness) assert.ok(late >= 0 && late <= 6, `late by ${late} ms`);
    assert.equal(wheel.size, 0);
  });

  it("calls in the order of the deadlines, also within one tick", async () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock);
    const start = clock.now();
    const order: number[] = [];
    for (const delay of [3, 1, 104, 2, 101]) wheel.add(start + delay, () => order.push(delay));
    await clock.advance(200);
    assert.deepEqual(order, [1, 2, 3, 101, 104]);
  });

  it("goes on with the others of its turn when one throws, and tells of it", async () => {
    const clock = new VirtualClock();
    const errors: unknown[] = [];
    const wheel = new DeadlineWheel(clock, { onError: (error) => errors.push(error) });
    const ran: number[] = [];
    const add = (delay: number, fault?: { readonly value: unknown }): void => {
      wheel.add(clock.now() + delay, () => {
        ran.push(delay);
        if (fault !== undefined) throw fault.value;
      });
    };
    const broken = new Error("broken");
    add(1);
    add(2, { value: broken });
    add(3, { value: undefined });
    add(4);
    add(60);
    await clock.advance(100);
    assert.deepEqual(ran, [1, 2, 3, 4, 60]);
    assert.deepEqual(errors, [broken, undefined]);
    assert.equal(wheel.size, 0);
  });

  it("goes on when the one who is told of a failure fails as well", async () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock, {
      onError() {
        throw new Error("no room on the disk");
      },
    });
    let ran = 0;
    for (let at = 0; at < 2; at++) {
      wheel.add(clock.now() + 5, () => {
        ran++;
        throw new Error("broken");
      });
    }
    await clock.advance(50);
    assert.equal(ran, 2);
  });

  it("does not call what was removed, and takes a second removal for none", async () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock);
    const due = clock.now() + 20;
    let ran = 0;
    const before = wheel.add(due, () => ran++);
    const entry = wheel.add(due, () => assert.fail("was removed"));
    const after = wheel.add(due, () => ran++);
    wheel.remove(entry);
    wheel.remove(entry);
    assert.equal(wheel.size, 2);
    await clock.advance(25);
    assert.equal(ran, 2);
    wheel.remove(before);
    wheel.remove(after);
    assert.equal(wheel.size, 0);
  });

  it("keeps one timer however many deadlines there are, and none once it is empty", async () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock);
    const entries = Array.from({ length: 1_000 }, (_, index) =>
      wheel.add(clock.now() + 100 + index, () => {}),
    );
    assert.equal(clock.pending, 1);
    for (const entry of entries) wheel.remove(entry);
    await clock.advance(50);
    assert.equal(clock.pending, 0);
    wheel.add(clock.now() + 10, () => {});
    assert.equal(clock.pending, 1);
    await clock.advance(10);
    assert.equal(clock.pending, 0);
  });

  it("wakes up sooner for a deadline that comes before the others", async () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock);
    const start = clock.now();
    const order: string[] = [];
    wheel.add(start + 30_000, () => order.push("late"));
    wheel.add(start + 10, () => order.push(`soon ${clock.now() - start}`));
    assert.equal(clock.pending, 1);
    await clock.advance(15);
    assert.deepEqual(order, ["soon 10"]);
  });

  it("calls for a deadline that has passed already with the next tick, not from within", async () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock);
    let ran = false;
    wheel.add(clock.now() - 100, () => {
      ran = true;
    });
    assert.equal(ran, false);
    await clock.advance(5);
    assert.equal(ran, true);
  });

  it("catches up after a pause longer than a turn of the wheel", async () => {
    let now = 1_000;
    let wake = (): void => assert.fail("no timer");
    const schedule = (task: () => void) => {
      wake = task;
      return () => {};
    };
    const wheel = new DeadlineWheel({ now: () => now, schedule, sleep: () => Promise.resolve() });
    const ran: number[] = [];
    for (const delay of [10, 3_000, 5_130, 9_000, 100_000]) wheel.add(now + delay, () => ran.push(delay));
    now += 60_000;
    wake();
    assert.deepEqual(ran, [10, 3_000, 5_130, 9_000]);
    assert.equal(wheel.size, 1);
  });

  it("survives a platform timer that fires too early", () => {
    let now = 1_000;
    let wake = (): void => assert.fail("no timer");
    const schedule = (task: () => void) => {
      wake = task;
      return () => {};
    };
    const wheel = new DeadlineWheel({ now: () => now, schedule, sleep: () => Promise.resolve() });
    let ran = false;
    wheel.add(1_010, () => {
      ran = true;
    });
    now = 1_009.6;
    wake();
    assert.equal(ran, false);
    now = 1_010.1;
    wake();
    assert.equal(ran, true);
  });

  it("lets what it calls add and remove deadlines", async () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock);
    const start = clock.now();
    const seen: number[] = [];
    const again = (): void => {
      seen.push(clock.now() - start);
      if (seen.length < 3) wheel.add(clock.now() + 10, again);
    };
    wheel.add(start + 10, again);
    await clock.advance(100);
    assert.deepEqual(seen, [10, 20, 30]);
    assert.equal(clock.pending, 0);
  });

  it("refuses a granularity of nothing and steps shorter than it", () => {
    const clock = new VirtualClock();
    assert.throws(() => new DeadlineWheel(clock, { granularityMs: 0 }), /granularityMs is 0/);
    assert.throws(() => new DeadlineWheel(clock, { granularityMs: Number.NaN }), /granularityMs is NaN/);
    assert.throws(() => new DeadlineWheel(clock, { stepMs: 1 }), /stepMs is 1; pass a number of at least 5/);
  });
});

describe("deadlinesOf()", () => {
  it("gives everybody with the same clock the same deadlines", () => {
    const clock = new VirtualClock();
    assert.equal(deadlinesOf(clock), deadlinesOf(clock));
    assert.notEqual(deadlinesOf(clock), deadlinesOf(new VirtualClock()));
  });

  it("calls once each deadline has passed, and not for one that was removed", async () => {
    const clock = new VirtualClock();
    const deadlines = deadlinesOf(clock);
    const start = clock.now();
    const ran: number[] = [];
    deadlines.add(start + 100, () => ran.push(clock.now() - start));
    deadlines.remove(deadlines.add(start + 50, () => assert.fail("was removed")));
    deadlines.add(start + 200, () => ran.push(clock.now() - start));
    await clock.advance(99);
    assert.deepEqual(ran, []);
    await clock.advance(110);
    assert.deepEqual(ran, [100, 200]);
    assert.equal(clock.pending, 0);
  });
});

describe("DeadlineTimers", () => {
  /** A clock whose timers die with the request that made them, as those of Cloudflare's runtime do. */
  class DyingClock extends VirtualClock {
    dead = false;
    override schedule(task: () => void, delayMs: number): () => void {
      const { dead } = this;
      return super.schedule(() => {
        if (!this.dead || dead) task();
      }, delayMs);
    }
  }

  it("calls once a deadline has passed, and not for one that was removed", async () => {
    const clock = new VirtualClock();
    const timers = new DeadlineTimers(clock);
    const passed: string[] = [];
    timers.add(clock.now() + 20, () => passed.push("a"));
    timers.remove(timers.add(clock.now() + 10, () => passed.push("b")));
    await clock.advance(19);
    assert.equal(passed.length, 0);
    await clock.advance(1);
    assert.deepEqual(passed, ["a"]);
    await clock.advance(5_000);
    assert.equal(clock.pending, 0);
  });

  it("finds a deadline whose timer has died when another one is added, once", async () => {
    const clock = new DyingClock();
    const timers = new DeadlineTimers(clock);
    const passed: string[] = [];
    timers.add(clock.now() + 100, () => passed.push("lost"));
    clock.dead = true;
    await clock.advance(1_200);
    assert.equal(passed.length, 0);
    timers.add(clock.now() + 60_000, () => passed.push("later"));
    assert.deepEqual(passed, ["lost"]);
    await clock.advance(2_000);
    timers.add(clock.now() + 60_000, () => passed.push("later"));
    assert.deepEqual(passed, ["lost"]);
  });

  it("goes on when a lost deadline throws, or its timer can no longer be cleared", async () => {
    const clock = new DyingClock();
    const timers = new DeadlineTimers(clock);
    const passed: string[] = [];
    timers.add(clock.now() + 100, () => {
      throw new Error("its request is gone");
    });
    const entry = timers.add(clock.now() + 100, () => passed.push("next"));
    Object.assign(entry, {
      cancel() {
        throw new Error("of another request");
      },
    });
    clock.dead = true;
    await clock.advance(1_200);
    timers.add(clock.now() + 60_000, () => {});
    assert.deepEqual(passed, ["next"]);
    timers.remove(entry);
  });
});
