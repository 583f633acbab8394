import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { runProcess } from "../../scripts/test/process.ts";
import { bundles } from "./package/bundles.ts";
import { coldStart } from "./package/cold-start.ts";
import { installs } from "./package/installs.ts";
import { bin, exportedNames, manifest, packPackage, root, runIn } from "./packed-package.ts";

/** What a consumer writes: it imports by name, responds to a request, and tells what it found. */
const consumer = `import * as main from "${manifest.name}";
import { Hono } from "hono";

async function account() {
  const mesh = main.createMesh({ service: "consumer" });
  const app = mesh.app();
  app.get("/hello/:name", (c) => c.text("hello " + c.req.param("name")));
  const response = await mesh.handler({ app }).fetch(new Request("http://localhost/hello/you"));
  const names = Object.keys(main).sort();
  return JSON.stringify({ runtime: mesh.runtime.name, answer: await response.text(), isHono: app instanceof Hono, names });
}
`;

const packed = await packPackage();
after(() => rmSync(packed.folder, { recursive: true, force: true }));

const run = (program: string, ...args: string[]): Promise<string> => runIn(packed.consumer, program, ...args);

writeFileSync(join(packed.consumer, "main.js"), `${consumer}console.log(await account());\n`);

describe("the npm package", () => {
  it("holds code, declarations, the licence and the readme, and nothing of the repository's own", () => {
    const folder = join(packed.consumer, "node_modules", manifest.name);
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    for (const file of ["README.md", "LICENSE", "CHANGELOG.md", "mod.js", "mod.d.ts"])
      assert.ok(files.includes(file), file);
    const foreign = files.filter((file) => /^(test|bench|examples|scripts|protos)|(?<!\.d)\.ts$/.test(file));
    assert.deepEqual(foreign, []);
    const published = packed.manifest();
    assert.deepEqual(
      Object.keys(published).filter((key) => /scripts|devDependencies|private/i.test(key)),
      [],
    );
    assert.deepEqual(
      Object.keys(published.exports).sort(),
      [...Object.keys(manifest.exports), "./package.json"].sort(),
    );
  });

  it("is not made of the sources: at the root npm refuses to pack and to publish", async () => {
    for (const command of ["pack", "publish"]) {
      const args = [command, "--dry-run", "--registry=http://127.0.0.1:9", "--fetch-retries=0"];
      const { exitCode, output } = await runProcess("npm", args, { cwd: root, timeoutMs: 60_000 });
      assert.notEqual(exitCode, 0, command);
      assert.match(output, /run npm run build, and then npm pack \.\/dist/);
    }
    // With --ignore-scripts this is what keeps npm from publishing; a dry run does not look at it.
    assert.equal(manifest.private, true);
  });

  it("passes publint", async () => {
    await run(join(bin, "publint"), "--strict", packed.archive);
  });

  it("passes are-the-types-wrong, as a package of modules alone", async () => {
    await run(join(bin, "attw"), packed.archive, "--profile", "esm-only", "--no-emoji", "--no-color");
  });

  it("says that its modules do nothing but define, so that bundlers may leave them out", () => {
    const file = join(packed.consumer, "node_modules", manifest.name, "package.json");
    assert.equal(JSON.parse(readFileSync(file, "utf8")).sideEffects, false);
  });

  for (const [runtime, ...args] of [
    ["node"],
    ["deno", "run", "--allow-all", "--no-check", "--no-prompt"],
    ["bun", "run"],
  ] as const) {
    it(`is imported by name on ${runtime}, and picks the adapter of that runtime`, async () => {
      const account = JSON.parse(await run(join(bin, runtime), ...args, "main.js"));
      assert.deepEqual(account, { runtime, answer: "hello you", isHono: true, names: await exportedNames() });
    });
  }

  it("has declarations for each entry that a strict consumer's tsc accepts", async () => {
    const entries = Object.keys(manifest.exports).map((entry) => entry.replace(/^\./, manifest.name));
    const imports = entries.map(
      (entry, index) => `import * as entry${index} from "${entry}";\nvoid entry${index};\n`,
    );
    const use = `import { createMesh, type Mesh } from "${manifest.name}";
export const mesh: Mesh = createMesh({ service: "consumer" });
// @ts-expect-error a number is no name: this fails when the types are lost
createMesh({ service: 1 });
`;
    writeFileSync(join(packed.consumer, "use.ts"), `${imports.join("")}${use}`);
    const options = [
      "--noEmit",
      "--strict",
      "--target",
      "esnext",
      "--lib",
      "esnext,dom,dom.iterable",
      "--types",
      "node",
    ];
    for (const resolution of [
      ["--module", "nodenext"],
      ["--module", "esnext", "--moduleResolution", "bundler"],
    ]) {
      const { output } = await runProcess(
        join(bin, "tsc"),
        [...options, ...resolution, "--ignoreConfig", "use.ts"],
        { cwd: packed.consumer, timeoutMs: 60_000 },
      );
      const own = output.split("\n").filter((line) => /^(error|use\.ts|.*@datapunk)/.test(line));
      assert.deepEqual(own, []);
    }
  });

  coldStart(packed);
  bundles(packed, consumer);
  installs(packed);
});
