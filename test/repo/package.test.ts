import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { build } from "esbuild";
import { runProcess } from "../../scripts/test/process.ts";
import { bin, manifest, packInto, root, runIn } from "./packed-package.ts";

/** What a consumer writes: it imports by name, responses a request, and tells what it found. */
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

/** Where the consumer lives: its node_modules hold the packed package, and what the package depends on. */
let folder = "";
let archive = "";

const run = (program: string, ...args: string[]): Promise<string> => runIn(folder, program, ...args);

async function exportedNames(): Promise<string[]> {
  const main: object = await import(join(root, "mod.ts"));
  return Object.keys(main).sort();
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "mesh-consumer-"));
  const target = join(folder, "node_modules", manifest.name);
  mkdirSync(target, { recursive: true });
  archive = await packInto(folder);
  await run("tar", "-xzf", archive, "-C", target, "--strip-components=1");
  const installed = { ...manifest.dependencies, ...manifest.peerDependencies };
  for (const name of [...Object.keys(installed), "@types/node"]) {
    const link = join(folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, "node_modules", name), link);
  }
  const dependencies = { ...installed, [manifest.name]: "*" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", dependencies }));
  writeFileSync(join(folder, "deno.json"), JSON.stringify({ nodeModulesDir: "manual", lock: false }));
  writeFileSync(join(folder, "main.js"), `${consumer}console.log(await account());\n`);
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("the npm package", () => {
  it("holds code, declarations, the licence and the readme, and nothing of the repository's own", () => {
    const packed = join(folder, "node_modules", manifest.name);
    const files = readdirSync(packed, { recursive: true, encoding: "utf8" });
    for (const file of ["README.md", "LICENSE", "CHANGELOG.md", "mod.js", "mod.d.ts"])
      assert.ok(files.includes(file), file);
    const foreign = files.filter((file) => /^(test|bench|examples|scripts|protos)|(?<!\.d)\.ts$/.test(file));
    assert.deepEqual(foreign, []);
    const published = JSON.parse(readFileSync(join(packed, "package.json"), "utf8"));
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
    await run(join(bin, "publint"), "--strict", archive);
  });

  it("passes are-the-types-wrong, as a package of modules alone", async () => {
    await run(join(bin, "attw"), archive, "--profile", "esm-only", "--no-emoji", "--no-color");
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

  it("is bundled for workerd, runs there, and picks the adapter of workerd", async () => {
    const contents = `${consumer}export default { async test() { console.log(await account()); } };\n`;
    const bundled = await build({
      stdin: { contents, resolveDir: folder },
      bundle: true,
      write: false,
      format: "esm",
      platform: "browser",
      conditions: ["workerd", "worker", "browser"],
      external: ["node:*", "cloudflare:*"],
      logLevel: "silent",
    });
    writeFileSync(join(folder, "worker.js"), bundled.outputFiles[0]?.text ?? "");
    const [date] = /\d{4}-\d\d-\d\d/.exec(await run(join(bin, "workerd"), "--version")) ?? [];
    writeFileSync(
      join(folder, "worker.capnp"),
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [ (name = "consumer", worker = .worker) ]);
const worker :Workerd.Worker = (
  modules = [ (name = "worker.js", esModule = embed "worker.js") ],
  compatibilityDate = "${date}",
);
`,
    );
    const output = await run(join(bin, "workerd"), "test", "--no-verbose", "worker.capnp");
    const account = JSON.parse(output.split("\n").find((line) => line.startsWith("{")) ?? "{}");
    assert.deepEqual(account, {
      runtime: "workerd",
      answer: "hello you",
      isHono: true,
      names: await exportedNames(),
    });
  });

  it("is bundled for a browser without a module of any other runtime", async () => {
    const bundled = await build({
      stdin: { contents: `export { createMesh } from "${manifest.name}";`, resolveDir: folder },
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: "browser",
      logLevel: "silent",
    });
    const adapters = Object.keys(bundled.metafile.inputs).map(
      (file) => /src\/runtime\/(\w+)\//.exec(file)?.[1],
    );
    assert.deepEqual(
      [...new Set(adapters)].filter((name) => name !== undefined),
      ["web"],
    );
    assert.doesNotMatch(bundled.outputFiles[0]?.text ?? "", /from\s*"node:/);
  });

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
    writeFileSync(join(folder, "use.ts"), `${imports.join("")}${use}`);
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
        {
          cwd: folder,
          timeoutMs: 60_000,
        },
      );
      const own = output.split("\n").filter((line) => /^(error|use\.ts|.*@datapunk)/.test(line));
      assert.deepEqual(own, []);
    }
  });
});
