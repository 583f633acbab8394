import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { unless } from "../support/capability.ts";
import { Dice } from "../support/dice.ts";
import { type FuzzRun, openRun } from "./run.ts";

/** What found something once, and what that was. */
const found: readonly (readonly [seed: number, what: string])[] = [
  [1063107040, "a response that hung while pipelined requests waited held its connection for ever"],
  [1871119685, "a source that never waits and a client that had left kept Deno from serving anybody"],
  [2440453576, "the same, on Bun"],
  [2369519321, "an error with metadata that were none ended the process"],
];

describe("servers and clients under fuzzing", unless("listen", "grpcClient"), () => {
  let run: FuzzRun;
  before(async () => {
    run = await openRun();
  });
  after(async () => {
    assert.deepEqual(await run.close(), []);
  });

  for (const [seed, what] of found) {
    it(`survive seed ${seed}: ${what}`, async () => {
      assert.deepEqual(await run.batch(seed), []);
    });
  }

  it("survive fixed seeds", async () => {
    for (let seed = 1; seed <= 8; seed++) assert.deepEqual(await run.batch(seed), [], `seed ${seed}`);
  });

  it("survive fresh seeds", async () => {
    const fresh = new Dice(Date.now());
    for (let count = 4; count > 0; count--) {
      const seed = fresh.seed();
      const repeat = `repeat it with: npm run fuzz -- --seconds 1 --seed ${seed}`;
      assert.deepEqual(await run.batch(seed), [], repeat);
    }
  });
});
