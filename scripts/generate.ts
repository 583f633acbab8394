/** Generates the code of the protos, by every buf template: `node scripts/generate.ts [folder]`. */
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { runProcess } from "./test/process.ts";

const root = resolve(import.meta.dirname, "..");
const output = process.argv[2] ?? root;
const templates = readdirSync(root).filter((file) => /^buf\.gen(\.\w+)?\.yaml$/.test(file));
for (const template of templates) {
  const args = ["generate", "--template", template, "--output", output];
  const finished = await runProcess(join(root, "node_modules/.bin/buf"), args, {
    cwd: root,
    timeoutMs: 120_000,
  });
  if (finished.exitCode === 0) continue;
  console.error(finished.output);
  process.exit(1);
}
