import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { runProcess } from "../../scripts/test/process.ts";
import { checkNodeVersion } from "../../src/runtime/node/minimum-version.ts";

const root = resolve(import.meta.dirname, "../..");
const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly engines: { readonly node: string };
};
const minimum = engines.node.replace(">=", "");

describe("Node below the minimum", () => {
  it("is refused with an error that names both versions", () => {
    for (const version of ["18.20.8", "20.20.2", "22.18.0"]) {
      assert.throws(() => checkNodeVersion(version), {
        code: "ERR_CAPABILITY",
        message: `Cannot run @datapunk/mesh on Node ${version}: it needs Node ${minimum} or newer; install one, or use Deno or Bun`,
      });
    }
    for (const version of [`${minimum}.0`, "22.20.1", "24.0.0", "100.0.0-nightly"]) checkNodeVersion(version);
  });

  for (const entry of ["mod.ts", "src/runtime/node/mod.ts"]) {
    it(`is refused by ${entry} before a dependency is loaded that would fail there`, async () => {
      const program = `
        import { createRequire } from "node:module";
        import process from "node:process";
        Object.defineProperty(process.versions, "node", { value: "20.20.2" });
        await import(${JSON.stringify(join(root, entry))}).catch((error) => console.log(error.message));
        const modules = Object.values(createRequire("/").cache);
        console.log(modules.filter(({ filename, loaded }) => loaded && filename.includes("/undici/")).length);
      `;
      const args = ["--input-type=module", "--eval", program];
      const { exitCode, output } = await runProcess(process.execPath, args, { cwd: root, timeoutMs: 30_000 });
      assert.equal(exitCode, 0, output);
      const message = "Cannot run @datapunk/mesh on Node 20.20.2: it needs Node 22.19 or newer";
      assert.ok(output.startsWith(message), output);
      assert.equal(output.trim().split("\n").at(-1), "0");
    });
  }
});
