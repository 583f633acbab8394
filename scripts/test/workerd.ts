import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
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

/** A worker that is to be served on a port of its own. */
export interface ServedWorker {
  /** The module that exports it. */
  readonly entryPoint: string;
  /** How its socket listens, in workerd's configuration language. @default "http = ()" */
  readonly socket?: string;
  readonly bindings?: readonly string[];
}

/** Bundles a worker and starts workerd with it on a free port of the loopback address. */
export async function serveWorker({
  entryPoint,
  socket = "http = ()",
  bindings = [],
}: ServedWorker): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const directory = mkdtempSync(join(tmpdir(), "mesh-worker-"));
  try {
    const [compatibilityDate] = await Promise.all([
      newestCompatibilityDate(),
      bundleWorkers({
        root: directory,
        entryPoints: [{ in: entryPoint, out: "worker" }],
        outDir: directory,
      }),
    ]);
    const config = join(directory, "config.capnp");
    writeFileSync(
      config,
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "served", worker = .worker) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", service = "served", ${socket}) ],
);
const worker :Workerd.Worker = ${workerText("worker.js", compatibilityDate, bindings)};
`,
    );
    const child = spawn(workerd, ["serve", "--control-fd=3", config], { stdio: ["ignore", 2, 2, "pipe"] });
    return { child, port: await portOf(child) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The port that workerd says it listens on. */
async function portOf(child: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const { event, port } = JSON.parse(line) as { readonly event: string; readonly port: number };
    if (event === "listen") return port;
  }
  throw new Error("Cannot run the worker: workerd ended before it listened");
}
