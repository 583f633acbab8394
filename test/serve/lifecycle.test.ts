import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createHealth } from "../../src/serve/health.ts";
import { createLifecycle, type Drainable } from "../../src/serve/lifecycle.ts";
import { printedErrors } from "../support/printed-errors.ts";
import { settle, VirtualClock } from "../support/virtual-clock.ts";

function listenerOf(events: string[], drained: Promise<void>): Drainable {
  return {
    drain() {
      events.push("drain");
      return drained;
    },
    async destroy() {
      events.push("destroy");
    },
  };
}

describe("createLifecycle()", () => {
  it("fails readiness first, then drains, then closes as soon as the work is done", async () => {
    const clock = new VirtualClock();
    const events: string[] = [];
    const health = createHealth();
    health.subscribe((status) => events.push(status));
    const work = Promise.withResolvers<void>();
    const lifecycle = createLifecycle({ listener: listenerOf(events, work.promise), health, clock });
    const closed = lifecycle.close().then(() => events.push("closed"));
    assert.deepEqual([lifecycle.closing, ...events], [true, "draining", "drain"]);
    await clock.advance(10_000);
    assert.deepEqual(events, ["draining", "drain"]);
    work.resolve();
    await closed;
    assert.deepEqual(events, ["draining", "drain", "destroy", "closed"]);
    assert.equal(clock.pending, 0);
  });

  it("lets those who watch hear of it before it drains, but does not wait long for one that does not listen", async () => {
    for (const listens of [true, false]) {
      const clock = new VirtualClock();
      const events: string[] = [];
      const health = createHealth();
      const heard = Promise.withResolvers<void>();
      health.subscribe(() => heard.promise);
      const lifecycle = createLifecycle({ listener: listenerOf(events, Promise.resolve()), health, clock });
      const closed = lifecycle.close();
      await clock.advance(500);
      assert.deepEqual(events, []);
      if (listens) heard.resolve();
      await clock.advance(listens ? 10 : 499);
      assert.deepEqual(events, listens ? ["drain", "destroy"] : []);
      await clock.advance(1);
      await closed;
      assert.deepEqual(events, ["drain", "destroy"]);
      assert.equal(clock.pending, 0);
    }
  });

  it("ends work that takes longer than it may", async () => {
    const clock = new VirtualClock();
    const events: string[] = [];
    const lifecycle = createLifecycle({
      listener: listenerOf(events, new Promise(() => {})),
      drain: { timeoutMs: 1_000 },
      clock,
    });
    const closed = lifecycle.close();
    await clock.advance(999);
    assert.deepEqual(events, ["drain"]);
    await clock.advance(1);
    await closed;
    assert.deepEqual(events, ["drain", "destroy"]);
  });

  it("closes once, however often it is asked, and at once when forced", async () => {
    const clock = new VirtualClock();
    const events: string[] = [];
    const lifecycle = createLifecycle({ listener: listenerOf(events, new Promise(() => {})), clock });
    const first = lifecycle.close();
    void lifecycle.close();
    await settle();
    assert.deepEqual(events, ["drain"]);
    await lifecycle.close({ force: true });
    await first;
    await lifecycle.closed;
    await lifecycle.close({ force: true });
    assert.deepEqual(events, ["drain", "destroy"]);
    assert.equal(clock.pending, 0);
  });

  it("closes although the listener can neither drain nor be destroyed cleanly", async () => {
    for (const fail of [
      () => Promise.reject(new Error("x")),
      () => {
        throw new Error("x");
      },
    ]) {
      const lifecycle = createLifecycle({
        listener: { drain: fail, destroy: fail },
        clock: new VirtualClock(),
      });
      await lifecycle.close();
    }
  });

  it("goes on serving for a while after readiness has failed, if it is told to", async () => {
    const clock = new VirtualClock();
    const events: string[] = [];
    const health = createHealth();
    health.subscribe((status) => events.push(status));
    const work = new Promise<void>(() => {});
    const drain = { delayMs: 5_000, timeoutMs: 1_000 };
    const lifecycle = createLifecycle({ listener: listenerOf(events, work), health, drain, clock });
    const closed = lifecycle.close();
    await clock.advance(4_999);
    assert.deepEqual(events, ["draining"]);
    await clock.advance(1);
    assert.deepEqual(events, ["draining", "drain"]);
    // The time for work begins after the delay.
    await clock.advance(999);
    assert.deepEqual(events, ["draining", "drain"]);
    await clock.advance(1);
    await closed;
    assert.deepEqual(events, ["draining", "drain", "destroy"]);
    assert.equal(clock.pending, 0);
  });

  it("cuts the delay short when it is forced", async () => {
    const clock = new VirtualClock();
    const events: string[] = [];
    const listener = listenerOf(events, new Promise(() => {}));
    const lifecycle = createLifecycle({ listener, drain: { delayMs: 5_000 }, clock });
    void lifecycle.close();
    await lifecycle.close({ force: true });
    assert.deepEqual(events, ["drain", "destroy"]);
    assert.equal(clock.pending, 0);
  });

  it("refuses a drain that makes no sense", () => {
    for (const [drain, message] of [
      [{ timeoutMs: -1 }, /drain\.timeoutMs is -1/],
      [{ delayMs: Number.NaN }, /drain\.delayMs is NaN/],
      [{ delay: 1 }, /no option "delay"; did you mean "delayMs"/],
      [5, /drain: its options are 5/],
    ] as const) {
      const listener = listenerOf([], Promise.resolve());
      assert.throws(() => createLifecycle({ listener, drain: drain as never }), message);
    }
  });

  it("comes to its end whatever health, listener and watchers throw or reject with", async () => {
    const fail = (reason: unknown): never => {
      throw reason;
    };
    for (const reason of [new Error("x"), undefined, "text"]) {
      for (const health of [
        { drain: () => fail(reason) },
        { drain: () => Promise.reject(reason) },
        { drain: () => "nonsense" as never },
        createHealth(),
      ]) {
        for (const listener of [
          { drain: () => Promise.reject(reason), destroy: () => Promise.reject(reason) },
          { drain: () => fail(reason), destroy: () => fail(reason) },
          { drain: () => new Promise<void>(() => {}), destroy: async () => {} },
        ]) {
          const clock = new VirtualClock();
          if ("subscribe" in health) health.subscribe(() => fail(reason));
          const lifecycle = createLifecycle({ listener, health, clock });
          await printedErrors(() => clock.run(lifecycle.close()));
          assert.equal(clock.pending, 0);
        }
      }
    }
  });
});
