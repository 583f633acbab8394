import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clockFrom, systemClock } from "../../src/core/clock.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

describe("clockFrom()", () => {
  it("derives a sleep that wakes in time and leaves no listener on the signal", async () => {
    const virtual = new VirtualClock();
    const clock = clockFrom({ now: virtual.now, schedule: virtual.schedule });
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    let awake = false;
    const sleeping = clock.sleep(100, signal).then(() => {
      awake = true;
    });
    assert.equal(listeners, 1);
    await virtual.advance(99);
    assert.equal(awake, false);
    await virtual.advance(1);
    await sleeping;
    assert.equal(listeners, 0);
  });
});

describe("systemClock", () => {
  it("never runs backward", () => {
    const before = systemClock.now();
    assert.ok(systemClock.now() >= before);
  });

  it("runs a task that is due now or was due before, and not one that was cancelled", async () => {
    const cancel = systemClock.schedule(() => assert.fail("was cancelled"), 0);
    cancel();
    await new Promise<void>((resolve) => {
      systemClock.schedule(resolve, -5);
    });
    await systemClock.sleep(0);
  });

  it("does not take a delay beyond the range of a timer for none", async () => {
    let ran = false;
    const cancel = systemClock.schedule(() => {
      ran = true;
    }, 2 ** 40);
    await systemClock.sleep(5);
    cancel();
    assert.equal(ran, false);
  });
});
