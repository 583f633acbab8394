/** Everything of the gate but the tests: `npm run check`. Each check says what to do when it fails. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { checkArchitecture, lineOf } from "./architecture/mod.ts";
import { runProcess } from "./test/process.ts";

const root = resolve(import.meta.dirname, "..");
const denoConfig: { readonly exports: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(join(root, "deno.json"), "utf8"),
);
const bin = join(root, "node_modules/.bin");

/** Resolves to what is wrong, or to nothing. */
type Check = () => Promise<string>;

async function run(program: string, ...args: string[]): Promise<string> {
  const { exitCode, output } = await runProcess(join(bin, program), args, { cwd: root, timeoutMs: 120_000 });
  return exitCode === 0 ? "" : output || `${program} ended with ${exitCode}`;
}

/** What is generated now, compared with what is committed. */
async function generatedCode(): Promise<string> {
  const scratch = mkdtempSync(join(tmpdir(), "mesh-generate-"));
  try {
    const problem = await run("node", join(root, "scripts/generate.ts"), scratch);
    if (problem !== "") return problem;
    const fresh = filesIn(scratch);
    const folders = new Set<string>([...fresh.keys()].map((file) => /^(.*?\bgen)\//.exec(file)?.[1] ?? ""));
    const committed = new Map<string, string>(
      [...folders].flatMap((folder) =>
        [...filesIn(join(root, folder))].map(([file, text]) => [`${folder}/${file}`, text]),
      ),
    );
    const names = [...new Set([...fresh.keys(), ...committed.keys()])].sort();
    const stale = names.filter((name) => fresh.get(name) !== committed.get(name));
    return stale.length === 0
      ? ""
      : `${stale.map((name) => `${name} is out of date`).join("\n")}\nRun npm run generate.`;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function filesIn(folder: string): Map<string, string> {
  if (!existsSync(folder)) return new Map();
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return new Map(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(folder.length + 1), readFileSync(path, "utf8")];
    }),
  );
}

/** The reference of options as the types have it now, compared with what is committed. */
async function reference(): Promise<string> {
  const scratch = mkdtempSync(join(tmpdir(), "mesh-reference-"));
  try {
    const fresh = join(scratch, "reference.md");
    const problem = await run("node", join(root, "scripts/reference.ts"), fresh);
    if (problem !== "") return problem;
    const same = readFileSync(fresh, "utf8") === readFileSync(join(root, "docs/reference.md"), "utf8");
    return same ? "" : "docs/reference.md is out of date\nRun npm run generate.";
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const checks: Readonly<Record<string, Check>> = {
  "format and lint": async () => {
    const problem = await run("biome", "check", "--error-on-warnings", "--max-diagnostics=50");
    return problem && `${problem}\nRun npm run fix.`;
  },
  types: () => run("tsc", "--project", "."),
  "types on Deno": () => run("deno", "check", "--quiet", ...Object.values(denoConfig.exports)),
  "package for JSR": () => run("deno", "publish", "--dry-run", "--allow-dirty", "--quiet"),
  architecture: async () => checkArchitecture(root).map(lineOf).join("\n"),
  "proto lint": () => run("buf", "lint"),
  "generated code": generatedCode,
  "reference of options": reference,
};

const failed: string[] = [];
await Promise.all(
  Object.entries(checks).map(async ([name, check]) => {
    const startedAt = performance.now();
    const problem = await check().catch((error: unknown) => String(error));
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(`${problem === "" ? "✓" : "✗"} ${name} (${seconds} s)${problem && `\n${problem.trimEnd()}`}`);
    if (problem !== "") failed.push(name);
  }),
);
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
