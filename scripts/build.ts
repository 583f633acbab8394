/**
 * Builds the npm package: `node scripts/build.ts [folder]`, `dist` unless told otherwise.
 *
 * The sources run as they are on Node, Deno and Bun, but Node strips no types inside node_modules and bundlers
 * differ: what is published is JavaScript, in a file for each entry and few that they share, with declarations.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import process from "node:process";
import { transform } from "esbuild";
import { rollup } from "rollup";
import { importsOf } from "./architecture/imports.ts";
import { tokensOf } from "./architecture/lexer.ts";
import { runProcess } from "./test/process.ts";

interface Manifest {
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly exports: Readonly<Record<string, string>>;
  readonly private?: unknown;
  readonly scripts?: unknown;
  readonly allowScripts?: unknown;
  readonly devDependencies?: unknown;
}

const root = resolve(import.meta.dirname, "..");
const dist = join(root, "dist");
const outDir = resolve(process.argv[2] ?? dist);
const manifest: Manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

if (outDir === dist) rmSync(dist, { recursive: true, force: true });
else if (existsSync(outDir)) refuse(`${outDir} exists already`);
mkdirSync(outDir, { recursive: true });
await compile();
await bundle();
rewriteDeclarations();
writeFileSync(join(outDir, "package.json"), `${JSON.stringify(publishedManifest(), null, 2)}\n`);
for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) {
  if (existsSync(join(root, file))) cpSync(join(root, file), join(outDir, file));
}
console.log(`Built ${readdirSync(outDir, { recursive: true }).length} files in ${outDir}`);

/** Compiles what the entries lead to, and nothing else. */
async function compile(): Promise<void> {
  const targets = entries();
  mkdirSync(join(root, ".cache"), { recursive: true });
  const scratch = mkdtempSync(join(root, ".cache/build-"));
  const config = join(scratch, "tsconfig.json");
  const ambient = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".d.ts"),
  );
  const settings = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      rewriteRelativeImportExtensions: true,
      rootDir: root,
      outDir,
      typeRoots: [join(root, "node_modules/@types")],
    },
    include: [],
    files: [
      ...new Set(targets.map((target) => join(root, target))),
      ...ambient.map((file) => join(root, "src", file)),
    ],
  };
  writeFileSync(config, JSON.stringify(settings));
  try {
    const tsc = join(root, "node_modules/.bin/tsc");
    const { exitCode, output } = await runProcess(tsc, ["--project", config], {
      cwd: root,
      timeoutMs: 120_000,
    });
    if (exitCode !== 0) refuse(`tsc found errors\n${output}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Puts the many modules into few files: three hundred of them take longer to load than all that they do. */
async function bundle(): Promise<void> {
  const scripts = readdirSync(outDir, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".js"),
  );
  const input = Object.fromEntries(
    [...new Set(entries())].map((entry) => [
      entry.replace(/^\.\/|\.ts$/g, ""),
      join(outDir, compiled(entry)),
    ]),
  );
  const bundled = await rollup({
    input,
    // What each runtime brings is chosen where the package is used.
    external: (id) => !id.startsWith(".") && !isAbsolute(id),
    treeshake: { moduleSideEffects: false },
    onwarn: ({ message }) => refuse(message),
  });
  const { output } = await bundled.generate({
    format: "es",
    chunkFileNames: "chunks/[name].js",
    manualChunks: (id) => chunkOf(relative(join(outDir, "src"), id)),
    minifyInternalExports: false,
  });
  for (const file of scripts) rmSync(join(outDir, file));
  for (const each of output) {
    const path = join(outDir, each.fileName);
    mkdirSync(dirname(path), { recursive: true });
    // Without comments: those for readers are in the declarations.
    if (each.type === "chunk") writeFileSync(path, (await transform(each.code, { target: "esnext" })).code);
  }
}

/**
 * What is loaded at different times, on different runtimes, or by different entries stands apart: the listener, sockets,
 * policies with the contracts under them, the rest.
 */
function chunkOf(file: string): string | undefined {
  if (/^(?:core|policy)\//.test(file)) return "core";
  if (/^(?:net\/(?:listen|fetch)|http\/http1)\//.test(file)) return "listen";
  if (/^net\/connect\/(?:undici-agent|http1-client|http1-sockets)\.js$/.test(file)) return undefined;
  if (/^net\//.test(file)) return "net";
  // The mesh picks its runtime, which needs the rest.
  return /^(?:\.\.|mesh\/|runtime\/|validate\/)/.test(file) ? undefined : "base";
}

function entries(): string[] {
  return [...Object.values(manifest.exports), ...Object.values(manifest.imports).flatMap(Object.values)];
}

function refuse(reason: string): never {
  console.error(`Cannot build: ${reason}`);
  process.exit(1);
}

/** tsc leaves `./x.ts` in declarations; tools other than tsc look for a file of that name. */
function rewriteDeclarations(): void {
  for (const file of readdirSync(outDir, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".d.ts")) continue;
    const path = join(outDir, file);
    let text = readFileSync(path, "utf8");
    for (const { specifier } of importsOf(tokensOf(text))) {
      if (specifier.startsWith(".")) text = text.replaceAll(`"${specifier}"`, `"${compiled(specifier)}"`);
    }
    writeFileSync(path, text);
  }
}

function publishedManifest(): object {
  const {
    private: _private,
    scripts: _scripts,
    allowScripts: _allowed,
    devDependencies: _dev,
    ...published
  } = manifest;
  const imports = mapValues(manifest.imports, (conditions) => mapValues(conditions, compiled));
  const exports = mapValues(manifest.exports, (target) => ({
    types: target.replace(/\.ts$/, ".d.ts"),
    default: compiled(target),
  }));
  return { ...published, imports, exports: { ...exports, "./package.json": "./package.json" } };
}

function compiled(file: string): string {
  return file.replace(/\.ts$/, ".js");
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, convert: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value)]));
}
