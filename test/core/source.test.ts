import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkedSource, createSource, isSource, type Source, sourceOf } from "../../src/core/source.ts";
import { printedErrors } from "../support/printed-errors.ts";
import { settle } from "../support/virtual-clock.ts";

/** What a watcher of the source was told, in order. */
function watched<T>(source: Source<T>): { readonly values: readonly T[]; readonly stop: () => void } {
  const values: T[] = [];
  const stop = source.watch((value) => values.push(value));
  return { values, stop };
}

function positive(value: number): number {
  if (value > 0) return value * 2;
  throw new RangeError(`${value} is not above 0`);
}

describe("createSource()", () => {
  it("has its first value at once, and tells watchers of each later one", () => {
    const source = createSource(1);
    const { values } = watched(source);
    assert.equal(source.current, 1);
    source.set(2);
    source.set(2);
    source.set(3);
    assert.equal(source.current, 3);
    assert.deepEqual(values, [2, 3]);
  });

  it("stops telling one watcher and not the others, also when they share a function", () => {
    const source = createSource("a");
    const values: string[] = [];
    const listener = (value: string): number => values.push(value);
    const stop = source.watch(listener);
    source.watch(listener);
    stop();
    source.set("b");
    assert.deepEqual(values, ["b"]);
  });

  it("tells all watchers, also when one of them throws or stops while it is told", async () => {
    const source = createSource(1);
    const stopFirst = source.watch(() => {
      stopFirst();
      throw new Error("broken");
    });
    const { values } = watched(source);
    const printed = await printedErrors(() => source.set(2));
    assert.equal(printed.length, 1);
    source.set(3);
    assert.deepEqual(values, [2, 3]);
  });

  it("leaves all watchers with the last value when one of them sets another", () => {
    const source = createSource(1);
    source.watch((value) => {
      if (value === 2) source.set(3);
    });
    const later = watched(source);
    source.set(2);
    assert.deepEqual([source.current, later.values], [3, [3]]);
  });

  it("tells a watcher nothing after its end, also when another one has ended it", () => {
    const source = createSource(1);
    let stop = (): void => {};
    source.watch(() => stop());
    const later = watched(source);
    stop = later.stop;
    source.set(2);
    assert.deepEqual(later.values, []);
  });

  it("tells of a watcher that fails later", async () => {
    const source = createSource(1);
    source.watch(async () => {
      throw new Error("cannot take it");
    });
    const printed = await printedErrors(async () => {
      source.set(2);
      await settle();
    });
    assert.match(String(printed[0]?.[0]), /A listener of a source failed/);
  });
});

describe("sourceOf()", () => {
  it("makes a source that never changes of a plain value", () => {
    const source = sourceOf({ a: 1 });
    assert.deepEqual(source.current, { a: 1 });
    source.watch(() => assert.fail("it never changes"))();
  });

  it("leaves a source as it is, and takes nothing else for one", () => {
    const source = createSource(1);
    assert.equal(sourceOf<number>(source), source);
    for (const other of [undefined, null, 1, {}, { current: 1 }, { watch() {} }]) {
      assert.equal(isSource(other), false);
    }
  });
});

describe("checkedSource()", () => {
  it("makes something of each value, and passes changes on", () => {
    const source = createSource(1);
    const checked = checkedSource(source, positive, () => assert.fail("all are good"));
    const { values } = watched(checked);
    assert.equal(checked.current, 2);
    source.set(5);
    assert.equal(checked.current, 10);
    assert.deepEqual(values, [10]);
  });

  it("leaves the old value when a new one is refused, and says why", () => {
    const source = createSource(1);
    const refused: unknown[] = [];
    const checked = checkedSource(source, positive, (error) => refused.push(error));
    const { values } = watched(checked);
    source.set(-5);
    assert.equal(checked.current, 2);
    assert.match(String(refused[0]), /-5 is not above 0/);
    source.set(3);
    assert.equal(checked.current, 6);
    assert.deepEqual([refused.length, values], [1, [6]]);
  });

  it("throws for a first value that is refused", () => {
    assert.throws(() => checkedSource(sourceOf(0), positive, () => {}), RangeError);
  });

  it("stops watching and closes the source beneath when it is closed", async () => {
    let closed = 0;
    const source = createSource(1);
    const closable: Source<number> = {
      get current() {
        return source.current;
      },
      watch: (listener) => source.watch(listener),
      close: () => {
        closed++;
      },
    };
    const checked = checkedSource(closable, positive, () => assert.fail("it is closed"));
    await checked.close?.();
    source.set(-1);
    assert.deepEqual([checked.current, closed], [2, 1]);
  });
});
