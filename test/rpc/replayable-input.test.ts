import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { liveInput, singleInput } from "../../src/rpc/replayable-input.ts";
import { all, streamOf } from "./echo.ts";

/** A source that notes what is asked of it. */
function spied(...values: number[]) {
  const noted: string[] = [];
  const inner = streamOf(...values);
  const source: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next() {
        noted.push("next");
        return inner.next();
      },
      async return() {
        noted.push("return");
        return inner.return(undefined);
      },
      async throw(error) {
        noted.push(`throw ${error.message}`);
        return inner.throw(error).catch(() => ({ done: true, value: undefined }));
      },
    }),
  };
  return { source, noted };
}

describe("singleInput()", () => {
  it("gives every attempt the same message, and asks for it once", async () => {
    const { source, noted } = spied(1);
    const input = singleInput(source);
    assert.deepEqual(await all(input.open()), [1]);
    assert.equal(input.replayable, true);
    assert.deepEqual(await all(input.open()), [1]);
    assert.deepEqual(await Promise.all([all(input.open()), all(input.open())]), [[1], [1]]);
    assert.deepEqual(noted, ["next", "next"]);
  });

  it("gives an attempt that takes over what the first one was waiting for", async () => {
    let resolve: (result: IteratorResult<number>) => void = () => {};
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise((go) => {
            resolve = go;
          }),
      }),
    };
    const input = singleInput(source);
    const first = input.open()[Symbol.asyncIterator]().next();
    const second = input.open()[Symbol.asyncIterator]().next();
    resolve({ done: false, value: 7 });
    assert.deepEqual([(await first).value, (await second).value], [7, 7]);
  });

  it("passes more messages through, and cannot be replayed then", async () => {
    const input = singleInput(streamOf(1, 2, 3));
    assert.deepEqual(await all(input.open()), [1, 2, 3]);
    assert.equal(input.replayable, false);
  });

  it("ends the source when the call is over", () => {
    const { source, noted } = spied(1);
    singleInput(source).close();
    assert.deepEqual(noted, ["return"]);
  });
});

describe("liveInput()", () => {
  it("can be sent again until something was asked for", async () => {
    const { source, noted } = spied(1, 2);
    const input = liveInput(source);
    const unused = input.open()[Symbol.asyncIterator]();
    await unused.return?.();
    await unused.throw?.(new Error("refused"));
    assert.equal(input.replayable, true);
    assert.deepEqual(noted, []);
    assert.deepEqual(await all(input.open()), [1, 2]);
    assert.equal(input.replayable, false);
  });

  it("gives nothing to a second attempt once the first has read", async () => {
    const input = liveInput(streamOf(1, 2));
    const first = input.open()[Symbol.asyncIterator]();
    await first.next();
    assert.deepEqual(await all(input.open()), []);
    assert.equal((await first.next()).value, 2);
  });

  it("tells the source of the end and of the error of the attempt that reads it", async () => {
    const { source, noted } = spied(1, 2);
    const attempt = liveInput(source).open()[Symbol.asyncIterator]();
    await attempt.next();
    await attempt.throw?.(new Error("reset"));
    assert.deepEqual(noted, ["next", "throw reset"]);
    const other = spied(1);
    const reading = liveInput(other.source).open()[Symbol.asyncIterator]();
    await reading.next();
    await reading.return?.();
    assert.deepEqual(other.noted, ["next", "return"]);
  });
});
