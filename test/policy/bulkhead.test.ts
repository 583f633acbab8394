import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMeshError } from "../../src/core/errors.ts";
import { ok } from "../../src/core/outcome.ts";
import { type BulkheadOptions, bulkhead } from "../../src/policy/bulkhead.ts";
import { settle } from "../support/virtual-clock.ts";
import { newCall, type Scripted, ScriptedError, scriptedService, streams, succeeds } from "./scenario.ts";

/** A bulkhead around work that ends when the test says so. */
function gated(options: BulkheadOptions) {
  const gates: PromiseWithResolvers<Scripted>[] = [];
  const service = scriptedService(bulkhead(options), () => {
    const gate = Promise.withResolvers<Scripted>();
    gates.push(gate);
    return gate.promise;
  });
  return { ...service, gates };
}

describe("bulkhead()", () => {
  it("runs so many at a time and the rest in the order they came", async () => {
    const { run, gates, calls } = gated({ maxConcurrent: 2 });
    const all = [newCall(), newCall(), newCall(), newCall()];
    const running = all.map((call) => run(call));
    await settle();
    assert.deepEqual(calls, all.slice(0, 2));
    gates[1]?.resolve(succeeds);
    await settle();
    assert.deepEqual(calls, all.slice(0, 3));
    gates[0]?.reject(new ScriptedError("boom"));
    await assert.rejects(running[0] as Promise<Scripted>, /boom/);
    await settle();
    assert.deepEqual(calls, all);
    gates[2]?.resolve(succeeds);
    gates[3]?.resolve(succeeds);
    assert.deepEqual(await Promise.all(running.slice(1)), [succeeds, succeeds, succeeds]);
  });

  it("refuses with ERR_BULKHEAD_FULL when the queue is full too, and recovers", async () => {
    const { run, gates } = gated({ maxConcurrent: 1, maxQueued: 1 });
    const first = run();
    const second = run();
    await assert.rejects(run(), {
      code: "ERR_BULKHEAD_FULL",
      message: "Cannot call lake read: 1 calls run and 1 wait already",
    });
    gates[0]?.resolve(succeeds);
    await first;
    await settle();
    const third = run();
    gates[1]?.resolve(succeeds);
    await second;
    await settle();
    gates[2]?.resolve(succeeds);
    assert.equal(await third, succeeds);
  });

  it("has no queue when told so", async () => {
    const { run, gates } = gated({ maxConcurrent: 1, maxQueued: 0 });
    const first = run();
    await assert.rejects(run(), (error) => isMeshError(error, "ERR_BULKHEAD_FULL"));
    gates[0]?.resolve(succeeds);
    await first;
  });

  it("lets a cancelled call leave the queue at once, and gives its place to another", async () => {
    const { run, gates, calls } = gated({ maxConcurrent: 1, maxQueued: 1 });
    const first = run();
    const call = newCall();
    const waiting = run(call);
    await settle();
    call.cancel();
    await assert.rejects(waiting, (error) => isMeshError(error, "ERR_CANCELLED"));
    const next = run();
    gates[0]?.resolve(succeeds);
    await first;
    await settle();
    assert.equal(calls.length, 2);
    gates[1]?.resolve(succeeds);
    assert.equal(await next, succeeds);
  });

  it("does not queue a call that is cancelled already", async () => {
    const { run, gates } = gated({ maxConcurrent: 1, maxQueued: 1 });
    const first = run();
    const call = newCall();
    call.cancel();
    await assert.rejects(run(call), (error) => isMeshError(error, "ERR_CANCELLED"));
    const second = run();
    gates[0]?.resolve(succeeds);
    await first;
    await settle();
    gates[1]?.resolve(succeeds);
    assert.equal(await second, succeeds);
  });

  it("holds the place of a stream until the stream ends", async () => {
    const layer = bulkhead({ maxConcurrent: 1, maxQueued: 0 });
    const { run, calls } = scriptedService(layer, streams, succeeds);
    await run();
    await assert.rejects(run(), (error) => isMeshError(error, "ERR_BULKHEAD_FULL"));
    calls[0]?.end(ok);
    assert.equal(await run(), succeeds);
  });

  it("never runs more than it may, whatever happens to the calls", async () => {
    const { run, gates } = gated({ maxConcurrent: 3, maxQueued: 50 });
    const calls = Array.from({ length: 40 }, () => newCall());
    const results = calls.map((call) => run(call).catch((error) => error));
    let done = 0;
    for (let turn = 0; turn < 200 && done < gates.length; turn++) {
      assert.ok(gates.length - done <= 3, `${gates.length - done} run`);
      if (turn % 5 === 0) calls[turn]?.cancel();
      if (turn % 3 === 0) gates[done++]?.reject(new ScriptedError("boom"));
      else gates[done++]?.resolve(succeeds);
      await settle();
    }
    await Promise.all(results);
    const last = run();
    await settle();
    gates.at(-1)?.resolve(succeeds);
    assert.equal(await last, succeeds);
  });

  it("refuses limits that are none", () => {
    assert.throws(() => bulkhead({ maxConcurrent: 0 }), {
      name: "RangeError",
      message: "Cannot make bulkhead(): maxConcurrent is 0; pass an integer of at least 1, or Infinity",
    });
    assert.throws(() => bulkhead({ maxQueued: -1 }), { name: "RangeError", message: /maxQueued is -1/ });
    assert.throws(() => bulkhead({ maxConcurrent: 1.5 }), RangeError);
    assert.throws(() => bulkhead({ maxQueued: Number.NaN }), RangeError);
  });
});
