import { builtinModules } from "node:module";
import { join, resolve } from "node:path";
import { build, type Plugin } from "esbuild";
import { runProcess } from "./process.ts";

/** The pinned workerd binary. */
export const workerd: string = join(resolve(import.meta.dirname, "../.."), "node_modules/.bin/workerd");

/** The newest compatibility date that the binary knows: the date of its build. */
export async function newestCompatibilityDate(): Promise<string> {
  const { output } = await runProcess(workerd, ["--version"], { cwd: ".", timeoutMs: 10_000 });
  const date = /\d{4}-\d\d-\d\d/.exec(output)?.[0];
  if (date === undefined) throw new Error(`Cannot read the version of workerd: ${output}`);
  return date;
}

/** Dependencies that say "events" mean "node:events", which nodejs_compat provides. */
const prefixedBuiltins: Plugin = {
  name: "prefixed-builtins",
  setup(build) {
    const builtins = new Set(builtinModules);
    build.onResolve({ filter: /^[a-z_/]+$/ }, ({ path }) =>
      builtins.has(path) ? { path: `node:${path}`, external: true } : undefined,
    );
  },
};

/** What is to be bundled, and where to. */
export interface WorkerBundles {
  /** Relative names are resolved here. */
  readonly root: string;
  readonly entryPoints: { in: string; out: string }[];
  readonly outDir: string;
  readonly plugins?: readonly Plugin[];
}

/** Bundles entry points the way tools for Cloudflare Workers do, each into one module with a source map. */
export async function bundleWorkers({ root, entryPoints, outDir, plugins }: WorkerBundles): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints,
    outdir: outDir,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "esnext",
    conditions: ["workerd", "worker", "browser"],
    external: ["node:*", "cloudflare:*"],
    sourcemap: "external",
    sourcesContent: false,
    logLevel: "silent",
    plugins: [...(plugins ?? []), prefixedBuiltins],
  });
}

/** A worker of one bundled module, as a value in workerd's configuration language; `bindings` in that language too. */
export function workerText(
  bundle: string,
  compatibilityDate: string,
  bindings: readonly string[] = [],
): string {
  return `(
  modules = [ (name = "${bundle}", esModule = embed "${bundle}") ],
  compatibilityDate = "${compatibilityDate}",
  bindings = [ ${bindings.join(", ")} ],
)`;
}
