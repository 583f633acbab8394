import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { runProcess } from "../../scripts/test/process.ts";

/** What the tests read of package.json. */
export interface PackageManifest {
  readonly name: string;
  readonly private: boolean;
  readonly engines: { readonly node: string };
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

/** The names that the main entry exports. */
export async function exportedNames(): Promise<string[]> {
  const main: object = await import(join(root, "mod.ts"));
  return Object.keys(main).sort();
}

/** Builds the package and packs it into the folder; the archive's path. */
export async function packInto(folder: string): Promise<string> {
  await runIn(folder, process.execPath, join(root, "scripts/build.ts"), join(folder, "dist"));
  await runIn(folder, "npm", "pack", "--silent", "--pack-destination", folder, join(folder, "dist"));
  const archive = readdirSync(folder).find((file) => file.endsWith(".tgz"));
  assert.ok(archive, "npm pack made no archive");
  return join(folder, archive);
}

/** The package as it will be published: built and packed once for all tests of it. */
export interface PackedPackage {
  /** A folder for whatever the tests need. */
  readonly folder: string;
  readonly archive: string;
  /** A project whose node_modules hold the packed package, and what it depends on as links into those of the repository. */
  readonly consumer: string;
  /** Its package.json. */
  manifest(): { readonly name: string; readonly version: string; readonly exports: object };
}

/** Builds and packs the package. */
export async function packPackage(): Promise<PackedPackage> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "mesh-package-")));
  const archive = await packInto(folder);
  const consumer = join(folder, "consumer");
  const target = join(consumer, "node_modules", manifest.name);
  mkdirSync(target, { recursive: true });
  await runIn(folder, "tar", "-xzf", archive, "-C", target, "--strip-components=1");
  const installed = { ...manifest.dependencies, ...manifest.peerDependencies };
  for (const name of [...Object.keys(installed), "@types/node"]) {
    const link = join(consumer, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, "node_modules", name), link);
  }
  const dependencies = { ...installed, [manifest.name]: "*" };
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ type: "module", dependencies }));
  writeFileSync(join(consumer, "deno.json"), JSON.stringify({ nodeModulesDir: "manual", lock: false }));
  return {
    folder,
    archive,
    consumer,
    manifest: () => JSON.parse(readFileSync(join(target, "package.json"), "utf8")),
  };
}

/** Why packages cannot be installed here, where they cannot. */
export async function registryProblem(): Promise<string | false> {
  const args = ["view", "hono", "version", "--fetch-retries=0", "--fetch-timeout=10000"];
  const { exitCode } = await runProcess("npm", args, { cwd: root, timeoutMs: 20_000 });
  return exitCode !== 0 && "capability: an npm registry (npm view hono reached none)";
}
