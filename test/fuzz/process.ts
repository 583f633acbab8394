/** Fuzzes for as long as it is told: `fuzz-process.ts SECONDS SEED`. Prints the seeds of batches in which something went wrong. */
import process from "node:process";
import { Dice } from "../support/dice.ts";
import { openRun } from "./run.ts";

const seconds = Number(process.argv[2]);
const first = Number(process.argv[3]);
const until = performance.now() + seconds * 1000;
const seeds = new Dice(first);
let count = 0;
let bad = 0;
const run = await openRun();
do {
  // The first seed is that of the run and of its first batch: so a batch is repeated.
  const seed = count === 0 ? first : seeds.seed();
  count++;
  if (process.stderr.isTTY) process.stderr.write(`\r${count} batches, ${bad} bad, seed ${seed}      `);
  const problems = await run.batch(seed);
  if (problems.length === 0) continue;
  bad++;
  console.log(`\nseed ${seed}\n  ${problems.join("\n  ")}`);
} while (performance.now() < until && bad < 20);
for (const problem of await run.close()) {
  bad++;
  console.log(`\nat the end: ${problem}`);
}
console.log(`\n${count} batches, ${bad} bad`);
process.exit(bad > 0 ? 1 : 0);
