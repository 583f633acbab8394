import { readFileSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { join, resolve } from "node:path";
import type { Plugin } from "esbuild";
import { bundleWorkers, workerText } from "./workerd.ts";

/** What the generated worker entries need to know. */
export interface BundleOptions {
  readonly root: string;
  readonly files: readonly string[];
  readonly outDir: string;
  /** The newest compatibility date the workerd binary knows. */
  readonly compatibilityDate: string;
  readonly filter: string;
  readonly timeoutMs: number;
}

/** Bundles each test file into a worker; returns their configurations, in the order of the files. */
export async function bundleForWorkerd(options: BundleOptions): Promise<string[]> {
  const { root, files, outDir, compatibilityDate } = options;
  await bundleWorkers({
    root,
    entryPoints: files.map((file, index) => ({ in: `mesh-test-entry:${file}`, out: `worker-${index}` })),
    outDir,
    plugins: [testEntries(options)],
  });
  return files.map((file, index) => {
    const config = join(outDir, `worker-${index}.capnp`);
    writeFileSync(config, configText(file, `worker-${index}.js`, compatibilityDate));
    return config;
  });
}

function testEntries({ root, filter, timeoutMs }: BundleOptions): Plugin {
  const engine = join(import.meta.dirname, "workerd-engine.ts");
  const nodeTest = join(import.meta.dirname, "node-test.ts");
  return {
    name: "mesh-test-entries",
    setup(build) {
      build.onResolve({ filter: /^mesh-test-(entry|setup):/ }, ({ path }) => {
        const [namespace = "", file = ""] = path.split(":", 2);
        return { path: file, namespace };
      });
      // The package says that it has no side effects; a test file has nothing else.
      build.onResolve({ filter: /^mesh-test-file:/ }, ({ path }) => {
        return { path: join(root, path.slice("mesh-test-file:".length)), sideEffects: true };
      });
      build.onLoad({ filter: /.*/, namespace: "mesh-test-entry" }, ({ path }) => ({
        resolveDir: root,
        contents: `import ${JSON.stringify(`mesh-test-setup:${path}`)};
import { runTests } from ${JSON.stringify(engine)};
import ${JSON.stringify(`mesh-test-file:${path}`)};
export default { test: runTests };`,
      }));
      build.onLoad({ filter: /.*/, namespace: "mesh-test-setup" }, ({ path }) => ({
        contents: `globalThis.meshTest = ${JSON.stringify({ file: path, filter, timeoutMs })};`,
      }));
      build.onResolve({ filter: /^node:test$/ }, () => ({ path: nodeTest }));
    },
  };
}

function configText(file: string, bundle: string, compatibilityDate: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [ (name = ${JSON.stringify(file)}, worker = .worker) ]);
const worker :Workerd.Worker = ${workerText(bundle, compatibilityDate)};
`;
}

/** Replaces positions in the bundles by positions in the sources. */
export function sourcePositions(text: string, outDir: string): string {
  return text.replace(
    /(?:file:\/\/\/bundle\/)?(worker-\d+\.js):(\d+):(\d+)/g,
    (given, bundle, line, column) => {
      const map = sourceMapOf(join(outDir, bundle));
      const entry = map.findEntry(Number(line) - 1, Number(column) - 1);
      if (!("originalSource" in entry)) return given;
      return `${resolve(outDir, entry.originalSource)}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
    },
  );
}

const sourceMaps = new Map<string, SourceMap>();

function sourceMapOf(bundle: string): SourceMap {
  const known = sourceMaps.get(bundle) ?? new SourceMap(JSON.parse(readFileSync(`${bundle}.map`, "utf8")));
  sourceMaps.set(bundle, known);
  return known;
}
