/**
 * Adds to package-lock.json the platform packages that the registry in use does not offer.
 *
 * A registry that mirrors only some platforms makes `npm install` leave the others out of the lockfile, and
 * `npm ci` then refuses that lockfile everywhere. The entries added here carry no checksum, so npm takes the one
 * of the registry that offers the package. Run after `npm install` when the architecture check asks for it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Lockfile, missingOptionals } from "./architecture/lockfile.ts";

const words: Readonly<Record<"os" | "cpu" | "libc", Readonly<Record<string, string>>>> = {
  os: {
    linux: "linux",
    darwin: "darwin",
    win32: "win32",
    windows: "win32",
    android: "android",
    freebsd: "freebsd",
  },
  cpu: { x64: "x64", "64": "x64", arm64: "arm64", aarch64: "arm64", armv7: "arm" },
  libc: { glibc: "glibc", musl: "musl" },
};

/** What a platform package says about itself by its name: `cli-linux-x64-musl`. */
function platformOf(name: string): Partial<Record<"os" | "cpu" | "libc", string[]>> {
  const parts = name.slice(name.indexOf("/") + 1).split("-");
  const platform: ReturnType<typeof platformOf> = {};
  for (const key of ["os", "cpu", "libc"] as const) {
    const value = parts.map((part) => words[key][part]).find((found) => found !== undefined);
    if (value !== undefined) platform[key] = [value];
  }
  if (!platform.os || !platform.cpu)
    throw new Error(`Cannot tell the platform of ${name}: add its words here`);
  return platform;
}

function withoutUndefined(entry: object): object {
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined));
}

const file = resolve(import.meta.dirname, "../package-lock.json");
const lock: Lockfile = JSON.parse(readFileSync(file, "utf8"));
for (const { name, version, of } of missingOptionals(lock)) {
  const { dev, license } = lock.packages[of] ?? {};
  const { cpu, libc, os } = platformOf(name);
  // In npm's own order of keys, so that its next write changes nothing.
  lock.packages[`node_modules/${name}`] = withoutUndefined({
    version,
    cpu,
    dev,
    libc,
    license,
    optional: true,
    os,
  });
  console.log(`added ${name}@${version}`);
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en"));
writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
