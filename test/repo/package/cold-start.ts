import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { bin, manifest, type PackedPackage, runIn } from "../packed-package.ts";

/** Tells what the import of the package loads: files and builtins by URL, and the modules inside of Node. */
const probe = `import { registerHooks } from "node:module";
import process from "node:process";
const before = new Set(process.moduleLoadList);
const urls = [];
registerHooks({
  load(url, context, next) {
    urls.push(url);
    return next(url, context);
  },
});
await import("${manifest.name}");
const inside = process.moduleLoadList.filter((each) => !before.has(each));
console.log(JSON.stringify({ urls, inside }));
`;

/** What takes its time to load, and only some programs need. */
const onDemand = [
  /\/node_modules\/undici\//,
  /\/node_modules\/@connectrpc\/connect-node\//,
  // Of a module that is imported, Node evaluates every getter: `docs/decisions/cold-start.md`.
  /^node:(?!async_hooks$)/,
];
const onDemandInside = [
  /^NativeModule (https?|http2|net|tls|zlib|crypto)$/,
  /^NativeModule _http_/,
  /internal\/deps\/undici/,
];

/** The modules that a module imports when it needs them. */
function importedLater(file: string): readonly string[] {
  const specifiers = [...readFileSync(file, "utf8").matchAll(/\bimport\("(\.[^"]+)"\)/g)];
  return specifiers.map(([, specifier = ""]) => fileURLToPath(new URL(specifier, `file://${file}`)));
}

/** Fails when the import of the package loads what can wait until it is needed. */
export async function assertLightImport(folder: string, node: string): Promise<void> {
  writeFileSync(join(folder, "probe.js"), probe);
  const told: { urls: string[]; inside: string[] } = JSON.parse(await runIn(folder, node, "probe.js"));
  const files = told.urls.filter((url) => url.startsWith("file:")).map((url) => fileURLToPath(url));
  const own = files.filter((file) => file.includes(`/node_modules/${manifest.name}/`));

  const heavy = told.urls.filter((url) => onDemand.some((pattern) => pattern.test(url)));
  assert.deepEqual(heavy, []);
  const heavyInside = told.inside.filter((name) => onDemandInside.some((pattern) => pattern.test(name)));
  assert.deepEqual(heavyInside, []);

  const later = own.flatMap(importedLater);
  assert.ok(later.length > 0, "nothing is loaded on demand: the listener ought to be");
  assert.deepEqual(
    later.filter((file) => files.includes(file)),
    [],
  );
  // Each file costs time: the sources are three hundred.
  assert.ok(own.length < 10, `${own.length} files of the package are loaded`);
}

/** What a process pays for the import of the package alone. */
export function coldStart(packed: PackedPackage): void {
  describe("at its import", () => {
    it("loads neither HTTP clients nor the listener, which wait until they are needed", async () => {
      await assertLightImport(packed.consumer, join(bin, "node"));
    });
  });
}
