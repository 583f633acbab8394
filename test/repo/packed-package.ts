import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { runProcess } from "../../scripts/test/process.ts";

/** What the tests read of package.json. */
export interface PackageManifest {
  readonly name: string;
  readonly private: boolean;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

export const root: string = resolve(import.meta.dirname, "../..");
export const bin: string = join(root, "node_modules/.bin");
export const manifest: PackageManifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Runs a program that must end well within a minute; what it printed. */
export async function runIn(folder: string, program: string, ...args: string[]): Promise<string> {
  const { exitCode, output } = await runProcess(program, args, { cwd: folder, timeoutMs: 60_000 });
  assert.equal(exitCode, 0, `${program} ${args.join(" ")}\n${output}`);
  return output;
}

/** Builds the package and packs it into the folder; the archive's path. */
export async function packInto(folder: string): Promise<string> {
  await runIn(folder, process.execPath, join(root, "scripts/build.ts"), join(folder, "dist"));
  await runIn(folder, "npm", "pack", "--silent", "--pack-destination", folder, join(folder, "dist"));
  const archive = readdirSync(folder).find((file) => file.endsWith(".tgz"));
  assert.ok(archive, "npm pack made no archive");
  return join(folder, archive);
}

/** Why packages cannot be installed here, where they cannot. */
export async function registryProblem(): Promise<string | false> {
  const args = ["view", "hono", "version", "--fetch-retries=0", "--fetch-timeout=10000"];
  const { exitCode } = await runProcess("npm", args, { cwd: root, timeoutMs: 20_000 });
  return exitCode !== 0 && "capability: an npm registry (npm view hono reached none)";
}
