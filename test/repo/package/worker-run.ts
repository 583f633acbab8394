import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildOptions, type BuildResult, build } from "esbuild";
import { bin, runIn } from "../packed-package.ts";

/** What is bundled: a file, or the text of one. */
export type Bundled = { readonly entry: string } | { readonly contents: string };

const workerd: BuildOptions = {
  conditions: ["workerd", "worker", "browser"],
  external: ["node:*", "cloudflare:*"],
};

/** Bundles for a platform without modules of its own, and for workerd unless told otherwise. */
export async function bundle(
  folder: string,
  what: Bundled,
  options: BuildOptions = workerd,
): Promise<BuildResult<{ write: false; metafile: true }>> {
  return build({
    ...("entry" in what
      ? { entryPoints: [what.entry], absWorkingDir: folder }
      : { stdin: { contents: what.contents, resolveDir: folder } }),
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    logLevel: "silent",
    ...options,
  });
}

/** Bundles a worker, runs its `test` on workerd, and returns what it printed. */
export async function runWorker(folder: string, what: Bundled): Promise<string> {
  const { outputFiles } = await bundle(folder, what);
  writeFileSync(join(folder, "worker.js"), outputFiles[0]?.text ?? "");
  const [date] = /\d{4}-\d\d-\d\d/.exec(await runIn(folder, join(bin, "workerd"), "--version")) ?? [];
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
  return runIn(folder, join(bin, "workerd"), "test", "--no-verbose", "worker.capnp");
}
