import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../support/virtual-clock.ts";

describe("VirtualClock", () => {
  it("runs tasks by due time, ties in the order they were scheduled", async () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    const start = clock.now();
    clock.schedule(() => ran.push(`late ${clock.now() - start}`), 20);
    clock.schedule(() => ran.push(`first ${clock.now() - start}`), 10);
    clock.schedule(() => ran.push(`second ${clock.now() - start}`), 10);
    await clock.advance(9);
    assert.deepEqual(ran, []);
    await clock.advance(11);
    assert.deepEqual(ran, ["first 10", "second 10", "late 20"]);
    assert.equal(clock.pending, 0);
  });

  it("runs what a task schedules, and promise chains, before time moves on", async () => {
    const clock = new VirtualClock();
    const start = clock.now();
    const seen: number[] = [];
    const loop = (async () => {
      for (let turn = 0; turn < 3; turn++) {
        await clock.sleep(10);
        for (let hop = 0; hop < 50; hop++) await Promise.resolve();
        seen.push(clock.now() - start);
      }
    })();
    await clock.advance(30);
    await loop;
    assert.deepEqual(seen, [10, 20, 30]);
  });

  it("forgets a cancelled task", async () => {
    const clock = new VirtualClock();
    const cancel = clock.schedule(() => assert.fail("ran"), 5);
    assert.equal(clock.pending, 1);
    assert.equal(clock.nextInMs, 5);
    cancel();
    assert.equal(clock.pending, 0);
    await clock.advance(10);
  });

  it("wakes a sleeper at once when its signal aborts, and leaves no task behind", async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const asleep = clock.sleep(1000, controller.signal);
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(asleep, reason);
    assert.equal(clock.pending, 0);
    await assert.rejects(clock.sleep(1000, controller.signal), reason);
    assert.equal(clock.pending, 0);
  });

  it("runs a promise to its end however much time it needs, and says when it never can", async () => {
    const clock = new VirtualClock();
    const start = clock.now();
    assert.equal(await clock.run(clock.sleep(60_000).then(() => clock.now() - start)), 60_000);
    await assert.rejects(clock.run(new Promise(() => {})), /no task waits/);
  });

  it("refuses time that runs backward and delays that are no numbers", async () => {
    const clock = new VirtualClock();
    await assert.rejects(clock.advance(-1), RangeError);
    assert.throws(() => clock.schedule(() => {}, Number.NaN), RangeError);
  });
});
