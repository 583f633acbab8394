import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { liveInput, type RequestStream, singleInput } from "../../../src/rpc/client/replayable-input.ts";
import { type EchoRequest, EchoRequestSchema } from "../../gen/test/v1/echo_pb.ts";
import { all, streamOf } from "../echo.ts";

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
  const desc = EchoRequestSchema;
  const texts = async (input: RequestStream): Promise<string[]> =>
    (await all(input.open() as AsyncIterable<{ text: string }>)).map(({ text }) => text);
  const requests = (...names: string[]) => streamOf(...names.map((text) => ({ text })));

  it("sends another attempt what the first one sent, and then what is left", async () => {
    const input = liveInput(requests("a", "b", "c"), desc);
    const first = input.open()[Symbol.asyncIterator]();
    await first.next();
    await first.next();
    assert.equal(input.replayable, true);
    assert.deepEqual(await texts(input), ["a", "b", "c"]);
    assert.deepEqual(await texts(input), ["a", "b", "c"]);
  });

  it("keeps the messages as they were, though the source uses one object for all", async () => {
    async function* source() {
      const message = create(desc);
      for (const text of ["a", "b"]) {
        message.text = text;
        yield message;
      }
    }
    const input = liveInput(source(), desc);
    await texts(input);
    assert.deepEqual(await texts(input), ["a", "b"]);
  });

  it("gives an attempt that takes over what the first one was waiting for", async () => {
    let resolve: (result: IteratorResult<unknown>) => void = () => {};
    const input = liveInput(
      { [Symbol.asyncIterator]: () => ({ next: () => new Promise((go) => (resolve = go)) }) },
      desc,
    );
    void input.open()[Symbol.asyncIterator]().next();
    const second = input.open()[Symbol.asyncIterator]().next();
    resolve({ done: false, value: { text: "late" } });
    assert.equal(((await second).value as EchoRequest).text, "late");
  });

  it("cannot be sent again once the response has begun; who sends goes on", async () => {
    const input = liveInput(requests("a", "b", "c"), desc);
    const first = input.open()[Symbol.asyncIterator]();
    await first.next();
    input.settle();
    assert.equal(input.replayable, false);
    assert.equal(((await first.next()).value as EchoRequest).text, "b");
    assert.deepEqual(await texts(input), []);
    assert.equal(((await first.next()).value as EchoRequest).text, "c");
  });

  it("keeps 256 KiB, and what was promised to an attempt until it has it", async () => {
    const payload = new Uint8Array(100 * 1024);
    const input = liveInput(streamOf({ payload }, { payload }, { payload }, { text: "last" }), desc);
    const first = input.open()[Symbol.asyncIterator]();
    await first.next();
    await first.next();
    assert.equal(input.replayable, true);
    const second = input.open()[Symbol.asyncIterator]();
    await first.next();
    assert.equal(input.replayable, false);
    for (let message = 0; message < 3; message++) {
      assert.equal(((await second.next()).value as EchoRequest).payload.length, payload.length);
    }
    assert.equal(((await second.next()).value as EchoRequest).text, "last");
    assert.equal((await first.next()).done, true);
  });

  it("leaves the source to the next attempt, and tells it of the end when there will be none", async () => {
    const { source, noted } = spied(1);
    const input = liveInput(source, desc);
    const first = input.open()[Symbol.asyncIterator]();
    void first.next().catch(() => {});
    await first.throw?.(new Error("refused"));
    await first.return?.();
    assert.deepEqual(noted, ["next"]);
    input.settle();
    await first.throw?.(new Error("reset"));
    await first.return?.();
    input.close();
    assert.deepEqual(noted, ["next", "throw reset", "return", "return"]);
  });

  it("is not sent again when its source fails, or makes what cannot be sent", async () => {
    async function* failing() {
      yield { text: "a" };
      throw new Error("no more");
    }
    for (const [source, why] of [
      [failing(), /no more/],
      [streamOf({ text: "a" }, { count: "many" }, { text: "b" }), /count/],
    ] as const) {
      const input = liveInput(source, desc);
      await assert.rejects(texts(input), why);
      assert.equal(input.replayable, false);
      // One that had begun must not take it for the end.
      await assert.rejects(texts(input), why);
    }
  });
});
