import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The runtimes that the suites run on. */
export const runtimes = ["node", "deno", "bun", "workerd"] as const;
export type TestRuntime = (typeof runtimes)[number];

/** The kinds of suites, by what they need of a runtime. */
export const suiteKinds = ["portable", "socket", "interop", "repo"] as const;
export type SuiteKind = (typeof suiteKinds)[number];

/** On which runtimes a kind of suite runs. */
export const runtimesOf: Readonly<Record<SuiteKind, readonly TestRuntime[]>> = {
  portable: runtimes,
  socket: ["node", "deno", "bun"],
  interop: ["node"],
  repo: ["node"],
};

/** The kind of suite that a test file belongs to: `socket` by its name, `interop` and `repo` by its folder, else `portable`. */
export function suiteKindOf(file: string): SuiteKind {
  if (file.endsWith(".socket.test.ts")) return "socket";
  const folder = file.split("/")[1];
  return folder === "interop" || folder === "repo" ? folder : "portable";
}

/** All test files below `test/`, relative to `root`, sorted. */
export function findTestFiles(root: string): string[] {
  return readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => `test/${file}`)
    .sort();
}
