/** Checks the rules that the code's structure follows: `node scripts/check-architecture.ts [root]`. */
import { resolve } from "node:path";
import process from "node:process";
import { checkArchitecture, lineOf } from "./architecture/mod.ts";

const violations = checkArchitecture(process.argv[2] ?? resolve(import.meta.dirname, ".."));
for (const violation of violations) console.error(lineOf(violation));
if (violations.length > 0) process.exitCode = 1;
