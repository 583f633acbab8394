import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BuildResult } from "esbuild";
import { exportedNames, manifest, type PackedPackage } from "../packed-package.ts";
import { bundle, runWorker } from "./worker-run.ts";

type Bundle = BuildResult<{ write: false; metafile: true }>;

/** What a bundle leaves to its platform: specifiers, and how they are imported. */
function leftOut({ metafile }: Bundle): readonly string[] {
  const outputs = Object.values(metafile.outputs).flatMap(({ imports }) => imports);
  return outputs.map(({ path, kind }) => `${kind} ${path}`);
}

function adaptersIn({ metafile }: Bundle): readonly string[] {
  const names = Object.keys(metafile.inputs).map((file) => /src\/runtime\/(\w+)\//.exec(file)?.[1]);
  return [...new Set(names)].filter((name) => name !== undefined);
}

const kilobytes = ({ outputFiles }: Bundle): number => (outputFiles[0]?.contents.length ?? 0) / 1024;

/** What bundlers make of the packed package, which a consumer's node_modules hold. */
export function bundles(packed: PackedPackage, consumer: string): void {
  describe("in a bundle", () => {
    it("runs on workerd, and picks the adapter of workerd", async () => {
      const contents = `${consumer}export default { async test() { console.log(await account()); } };\n`;
      const output = await runWorker(packed.consumer, { contents });
      const account = JSON.parse(output.split("\n").find((line) => line.startsWith("{")) ?? "{}");
      const names = await exportedNames();
      assert.deepEqual(account, { runtime: "workerd", answer: "hello you", isHono: true, names });
    });

    it("asks workerd for async context only, and does without where there is none", async () => {
      const contents = `export { createMesh } from "${manifest.name}";`;
      const bundled = await bundle(packed.consumer, { contents });
      assert.deepEqual(adaptersIn(bundled), ["workerd"]);
      assert.deepEqual(leftOut(bundled), ["dynamic-import node:async_hooks"]);
    });

    it("holds no module of any other runtime in a browser", async () => {
      const contents = `export { createMesh } from "${manifest.name}";`;
      const bundled = await bundle(packed.consumer, { contents }, {});
      assert.deepEqual(adaptersIn(bundled), ["web"]);
      assert.deepEqual(leftOut(bundled), []);
    });

    it("is no larger than what is used", async () => {
      const sizeOf = async (contents: string): Promise<number> =>
        kilobytes(await bundle(packed.consumer, { contents }, { minify: true }));
      const mesh = await sizeOf(`export { createMesh } from "${manifest.name}";`);
      assert.ok(mesh < 450, `a mesh is ${mesh} KiB`);
      const policy = await sizeOf(`export { retry } from "${manifest.name}/policy";`);
      assert.ok(policy < 20, `a policy is ${policy} KiB`);
    });
  });
}
