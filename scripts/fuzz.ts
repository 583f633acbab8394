/**
 * Fuzzes servers and clients on one runtime for as long as you like:
 *
 *     npm run fuzz -- --seconds 600 --runtime bun
 *     npm run fuzz -- --seconds 1 --seed 42
 */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 2 ** 32) },
    runtime: { type: "string", default: "node" },
  },
});
const starts: Readonly<Record<string, readonly string[]>> = {
  node: [],
  deno: ["run", "--allow-all", "--no-check"],
  bun: [],
};
const args = starts[values.runtime];
if (args === undefined || !(Number(values.seconds) > 0) || !Number.isInteger(Number(values.seed))) {
  console.error("npm run fuzz -- [--seconds number] [--seed whole number] [--runtime node|deno|bun]");
  process.exit(2);
}
const root = resolve(import.meta.dirname, "..");
console.log(`${values.runtime}, seed ${values.seed}, ${values.seconds} s`);
const child = spawn(
  resolve(root, "node_modules/.bin", values.runtime),
  [...args, "test/fuzz/process.ts", values.seconds, values.seed],
  { cwd: root, stdio: "inherit" },
);
child.once("exit", (code) => process.exit(code ?? 1));
