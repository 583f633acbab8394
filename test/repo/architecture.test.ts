import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { checkArchitecture, lineOf } from "../../scripts/architecture/mod.ts";
import { type TreeFiles, withTree } from "../support/temp-tree.ts";

const manifest = {
  name: "@example/mesh",
  version: "1.0.0",
  license: "MIT",
  imports: { "#runtime": { deno: "./src/runtime/deno/mod.ts", default: "./src/runtime/web/mod.ts" } },
  exports: { ".": "./mod.ts" },
  dependencies: { undici: "^8.0.1" },
  peerDependencies: { hono: "^4.0.0" },
  devDependencies: { hono: "4.2.0" },
};
const denoConfig = {
  name: "@example/mesh",
  version: "1.0.0",
  license: "MIT",
  exports: { ".": "./mod.ts" },
  imports: {
    "#runtime": "./src/runtime/deno/mod.ts",
    hono: "npm:hono@^4.0.0",
    "hono/": "npm:/hono@^4.0.0/",
    undici: "npm:undici@^8.0.1",
  },
};

const manifestWith = (change: object): TreeFiles => json("package.json", { ...manifest, ...change });
const denoWith = (change: object): TreeFiles => json("deno.json", { ...denoConfig, ...change });
const json = (file: string, content: object): TreeFiles => ({ [file]: JSON.stringify(content) });

function lockfile(packages: object): string {
  return JSON.stringify({ packages: { "node_modules/undici": { version: "8.0.1" }, ...packages } });
}

/** A small tree that keeps every rule, in the ways that are easily mistaken for breaking them. */
const good: TreeFiles = {
  "package.json": JSON.stringify(manifest),
  "deno.json": JSON.stringify(denoConfig),
  "package-lock.json": lockfile({}),
  "mod.ts":
    'import { runtime } from "#runtime";\nexport { a } from "./src/core/a.ts";\nexport default runtime;\n',
  "src/core/a.ts": `// import "hono"; Date.now(); process.exit()
/** Reads \`Deno.env\` never, nor Math.random(). */
export const a = "import 'node:fs'; Buffer" + \`Bun \${"process"} text\`;
export interface Named { readonly Deno: string; Buffer?: number; process(x: number): void; import(name: string): void }
export const matcher: RegExp = /import "hono" from [/"']/;
export const half = (x: number, from: number): number => x / from / 2;
export const of = (task: Named): string => task.Deno;
export const day = new Date(0);
export const age = (wallClock: () => number = Date.now): number => wallClock();
`,
  "src/core/clock.ts": "export const now = (): number => performance.now();\nsetTimeout(() => {}, 1);\n",
  "src/policy/b.ts": 'import type { Named } from "../core/a.ts";\nexport type B = Named;\n',
  "src/telemetry/m.ts": `import type { Registry } from "prom-client";
import Counter from "prom-client/lib/counter.js";
export const made = (registry: Registry): unknown => [Counter, registry];
`,
  "src/http/http2/h.ts": 'import { a } from "../../core/a.ts";\nexport const h = a;\n',
  "src/hono/c.ts":
    'import { Hono } from "hono";\nimport { cors } from "hono/cors";\nexport const c = [Hono, cors];\n',
  "src/rest/r.ts": 'export { h } from "../http/http2/h.ts";\n',
  "src/rpc/d.ts": 'import { Code } from "@connectrpc/connect";\nexport const d = Code;\n',
  "src/net/port.ts": 'export type { B } from "../policy/b.ts";\n',
  "src/net/connect/e.ts": 'import { connect } from "node:net";\nexport const e = [connect, Buffer];\n',
  "src/runtime/deno/mod.ts":
    'import { e } from "../../net/connect/e.ts";\nexport const runtime = [e, Deno];\n',
  "src/runtime/web/mod.ts": 'export type { B } from "../../net/port.ts";\nexport const runtime = 1;\n',
  "src/gen/long_generated_pb.ts": `${"// generated\n".repeat(400)}`,
  "test/x.test.ts":
    'import { it } from "node:test";\nit(String(process.pid), () => { setTimeout(() => {}, Date.now()); });\n',
};

async function violationsOf(files: TreeFiles): Promise<string[]> {
  return withTree(files, (root) => checkArchitecture(root).map(lineOf));
}

/** Each seed: what it breaks, the files that break it, and the reports that must come of it, in order. */
const seeds: readonly (readonly [what: string, files: TreeFiles, reports: readonly RegExp[]])[] = [
  [
    "an import that points up",
    { "src/core/up.ts": 'import { b } from "../policy/b.ts";\nexport const up = b;\n' },
    [/^src\/core\/up\.ts:1 {2}import-direction: core \(level 0\) imports policy \(level 1\)/],
  ],
  [
    "a promise that is dropped without a reason",
    {
      "src/core/dropped.ts": `const late = async (): Promise<void> => {};
export function drop(): void {
  // Never rejects.
  void late();
  void late();
  const typed: void | Promise<void> = late();
  void (typed);
}
`,
    },
    [/^src\/core\/dropped\.ts:5 {2}voided-promise: /, /^src\/core\/dropped\.ts:7 {2}voided-promise: /],
  ],
  [
    "a type import that points up",
    { "src/policy/up.ts": '\nexport type X = import("../hono/c.ts").C;\n' },
    [/^src\/policy\/up\.ts:2 {2}import-direction: /],
  ],
  [
    "the runtime imported below the public face",
    { "src/serve/up.ts": 'export * from "#runtime";\n' },
    [/^src\/serve\/up\.ts:1 {2}import-direction: /],
  ],
  [
    "rest importing rpc, rpc importing rest, and serve importing hono",
    {
      "src/rest/x.ts": 'export { d } from "../rpc/d.ts";\n',
      "src/rpc/x.ts": 'import "../rest/r.ts";\n',
      "src/serve/x.ts": 'import "../hono/c.ts";\n',
    },
    [/^src\/rest\/x\.ts:1 {2}wall/, /^src\/rpc\/x\.ts:1 {2}wall/, /^src\/serve\/x\.ts:1 {2}wall/],
  ],
  [
    "a policy importing an engine, and an engine importing rpc",
    {
      "src/policy/x.ts": 'import "../http/http2/h.ts";\n',
      "src/http/x.ts": 'import "../rpc/d.ts";\n',
    },
    [/^src\/http\/x\.ts:1 {2}import-direction/, /^src\/policy\/x\.ts:1 {2}wall/],
  ],
  [
    "a circle of imports, of types too",
    {
      "src/core/x.ts": 'import type { Y } from "./y.ts";\nexport type X = Y;\n',
      "src/core/y.ts": 'export { z } from "./z.ts";\nexport type Y = 1;\n',
      "src/core/z.ts": 'export const z = await import("./x.ts");\n',
    },
    [/import-circle: src\/core\/(\w)\.ts → src\/core\/\w\.ts → src\/core\/\w\.ts → src\/core\/\1\.ts$/],
  ],
  [
    "a file of more than 300 lines",
    { "src/core/long.ts": "// line\n".repeat(301) },
    [/^src\/core\/long\.ts {2}file-size: 301/],
  ],
  ["a file name in another style", { "src/core/aB.ts": "export {};\n" }, [/^src\/core\/aB\.ts {2}file-name/]],
  [
    "platform modules outside net and the runtime adapters",
    {
      "src/http/x.ts":
        'import { readFile } from "node:fs";\nexport const x = () => import("bun:ffi");\nreadFile;\n',
    },
    [/^src\/http\/x\.ts:1 {2}platform-import: node:fs/, /^src\/http\/x\.ts:2 {2}platform-import: bun:ffi/],
  ],
  [
    "platform modules and sockets in an adapter for the edge",
    { "src/runtime/web/x.ts": 'import "node:fs";\nimport "../../net/connect/e.ts";\n' },
    [/^src\/runtime\/web\/x\.ts:1 {2}platform-import/, /^src\/runtime\/web\/x\.ts:2 {2}edge-net/],
  ],
  [
    "one adapter importing another",
    { "src/runtime/bun/x.ts": 'import "../deno/mod.ts";\n' },
    [/^src\/runtime\/bun\/x\.ts:1 {2}runtime-siblings/],
  ],
  [
    "platform globals outside net and the runtime adapters",
    {
      "src/serve/x.ts":
        "export const a = typeof Deno;\nexport const b = globalThis.Bun;\nexport const c = a ? process : { a: Buffer };\n",
    },
    [/x\.ts:1 .*: Deno/, /x\.ts:2 .*: Bun/, /x\.ts:3 .*: Buffer/, /x\.ts:3 .*: process/],
  ],
  [
    "a third-party package in the core, and the main entry of prom-client",
    {
      "src/core/x.ts": 'import { Hono } from "hono";\nexport const x = Hono;\n',
      "src/telemetry/x.ts": 'import { Registry } from "prom-client";\nexport const x = Registry;\n',
      "src/http/x.ts": 'export { Code } from "@connectrpc/connect";\n',
      "src/rest/x.ts": 'export { Hono } from "hono";\n',
    },
    [
      /^src\/core\/x\.ts:1 {2}third-party/,
      /^src\/http\/x\.ts:1 {2}third-party/,
      /^src\/rest\/x\.ts:1 {2}third-party/,
      /^src\/telemetry\/x\.ts:1 {2}third-party/,
    ],
  ],
  [
    "time and chance taken past the clock",
    {
      "src/http/http1/x.ts": "setImmediate(() => {});\n",
      "src/policy/x.ts":
        "export const a = Date.now();\nsetTimeout(() => {}, 1);\nexport const b = Math.random() + performance.now();\nexport const c = new Date();\nAbortSignal.timeout(1);\n",
    },
    [
      /http1\/x\.ts:1 .*setImmediate/,
      /:1 .*Date\.now/,
      /:2 .*setTimeout/,
      /:3 .*Math\.random/,
      /:3 .*performance\.now/,
      /:4 .*new Date/,
      /:5 .*AbortSignal/,
    ],
  ],
  [
    "a version that differs",
    denoWith({ version: "1.0.1" }),
    [/^deno\.json {2}manifests-in-step: version: "1\.0\.1", but "1\.0\.0"/],
  ],
  [
    "an entry that only one of the two exports",
    denoWith({ exports: {} }),
    [/^deno\.json {2}manifests-in-step: exports "\."/],
  ],
  [
    "a dependency of another range",
    denoWith({ imports: { ...denoConfig.imports, hono: "npm:hono@^4.0.1" } }),
    [/^deno\.json {2}manifests-in-step: imports "hono": npm:hono@\^4\.0\.1, not npm:hono@\^4\.0\.0/],
  ],
  [
    "an entry whose file does not exist",
    {
      ...manifestWith({ exports: { ...manifest.exports, "./x": "./src/x.ts" } }),
      ...denoWith({ exports: { ...denoConfig.exports, "./x": "./src/x.ts" } }),
    },
    [/^package\.json {2}export-target: \.\/x names \.\/src\/x\.ts/],
  ],
  [
    "a development dependency that is not pinned",
    manifestWith({ devDependencies: { ...manifest.devDependencies, esbuild: "^0.28.0" } }),
    [/^package\.json {2}pinned-versions: esbuild/],
  ],
  [
    "a peer without a version to test with",
    manifestWith({ devDependencies: {} }),
    [/^package\.json {2}pinned-versions: hono is a peer/],
  ],
  [
    "a peer or a dependency of one version, of which users would get two copies",
    {
      ...manifestWith({ dependencies: { undici: "8.0.1" }, peerDependencies: { hono: "4.0.0" } }),
      ...denoWith({
        imports: {
          "#runtime": "./src/runtime/deno/mod.ts",
          hono: "npm:hono@4.0.0",
          undici: "npm:undici@8.0.1",
        },
      }),
    },
    [
      /^package\.json {2}version-ranges: hono is 4\.0\.0/,
      /^package\.json {2}version-ranges: undici is 8\.0\.1/,
    ],
  ],
  [
    "a dependency whose oldest version is not the one that is tested",
    { "package-lock.json": lockfile({ "node_modules/undici": { version: "8.0.2" } }) },
    [/^package\.json {2}version-ranges: undici is \^8\.0\.1, but 8\.0\.2 in package-lock/],
  ],
  [
    "a download address in the lockfile",
    {
      "package-lock.json": lockfile({ x: { resolved: "https://example.com/x.tgz" } }).replace('"x"', '\n"x"'),
    },
    [/^package-lock\.json:2 {2}lockfile-address/],
  ],
  [
    "a platform package that the lockfile does not know",
    {
      "package-lock.json": lockfile({ "node_modules/x": { optionalDependencies: { "x-os": "1.0.0" } } }),
    },
    [/^package-lock\.json {2}lockfile-complete: .*x-os@1\.0\.0: run node scripts/],
  ],
  [
    "a path of the machine it was written on",
    { "docs/x.md": `Read\n/${"work"}/notes.md first\n` },
    [/^docs\/x\.md:2 {2}machine-path/],
  ],
];

describe("the architecture check", () => {
  it("finds nothing in a tree that keeps the rules", async () => {
    assert.deepEqual(await violationsOf(good), []);
  });

  for (const [what, files, reports] of seeds) {
    it(`reports ${what}`, async () => {
      const found = await violationsOf({ ...good, ...files });
      assert.equal(found.length, reports.length, `reported:\n${found.join("\n")}`);
      for (const [index, report] of reports.entries()) assert.match(found.sort()[index] ?? "", report);
    });
  }

  it("refuses a folder that has no level", async () => {
    await assert.rejects(violationsOf({ ...good, "src/new/x.ts": "export {};\n" }), /src\/new has no level/);
  });

  it("finds nothing in this repository", () => {
    assert.deepEqual(checkArchitecture(resolve(import.meta.dirname, "../..")).map(lineOf), []);
  });
});
