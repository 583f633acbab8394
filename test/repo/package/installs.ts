import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { runProcess } from "../../../scripts/test/process.ts";
import { bin, manifest, type PackedPackage, registryProblem, runIn } from "../packed-package.ts";
import { assertLightImport } from "./cold-start.ts";
import { type PackageRegistry, servePackage } from "./registry.ts";
import { runWorker } from "./worker-run.ts";

const { peerDependencies, peerDependenciesMeta, devDependencies } = manifest;
const required = Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional);
const optional = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional);

/** The oldest TypeScript whose users we look after. */
const oldTypeScript = "typescript@5.9.3";
/** Node, as npm has it for this machine. */
const nodeBinary = `node-${process.platform}-${process.arch}`;

/** The two ends of every range, and what else each project needs: the oldest Node of `engines`, and the newest of its line. */
const corners: Readonly<Record<"oldest" | "newest", readonly string[]>> = {
  oldest: [
    ...required.map((name) => `${name}@${peerDependencies[name]?.slice(1)}`),
    `${nodeBinary}@${minimumNode()}`,
  ],
  newest: [
    ...Object.entries(peerDependencies).map(([name, range]) => `${name}@${range}`),
    `${nodeBinary}@22`,
    oldTypeScript,
  ],
};

/** The oldest Node of `engines`: `>=22.19` says 22.19.0. */
function minimumNode(): string {
  return `${manifest.engines.node.replace(/^>=/, "")}.0`;
}

const sources = ["echo.ts", "main.ts", "worker.ts"];

/** What the programs tell. */
function expected(runtime: string, ...protocols: readonly string[]): Record<string, unknown> {
  const words = ["said hi for blue", "again 1", "again 2"];
  return {
    runtime,
    isHono: true,
    rest: { hello: "you", tenant: "blue" },
    retried: "after 2",
    fetched: 200,
    ...Object.fromEntries(protocols.map((protocol) => [protocol, words])),
    // Three GETs, one of them twice, and two RPCs by each protocol.
    served: 4 + 2 * protocols.length,
  };
}

function assertTold(output: string, runtime: string, ...protocols: readonly string[]): void {
  const line = output.split("\n").find((each) => each.startsWith("{")) ?? "{}";
  assert.deepEqual(JSON.parse(line), expected(runtime, ...protocols), output);
}

const problem: string | false = await registryProblem();

/** The packed package as users get it: from a registry, into a project that was empty. */
export function installs(packed: PackedPackage): void {
  describe("installed from a registry into an empty project", { skip: problem, concurrency: 2 }, () => {
    let registry: PackageRegistry;

    before(async () => {
      registry = await servePackage(packed.archive, packed.manifest());
      await Promise.all((["oldest", "newest"] as const).map(installWithNpm));
    });
    after(() => registry.close());

    /** An empty project, but for the programs of the user. */
    function project(name: string): string {
      const folder = join(packed.folder, name);
      mkdirSync(folder);
      writeFileSync(join(folder, ".npmrc"), registry.npmrc);
      for (const source of sources) copyFileSync(join(import.meta.dirname, source), join(folder, source));
      return folder;
    }

    async function installWithNpm(corner: keyof typeof corners): Promise<void> {
      const folder = project(corner);
      const entries = Object.keys(manifest.exports).filter(
        (entry) => corner === "newest" || entry !== "./validate",
      );
      const imports = entries.map(
        (entry, index) =>
          `import * as entry${index} from "${entry.replace(/^\./, manifest.name)}";\nvoid entry${index};\n`,
      );
      writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
      writeFileSync(join(folder, "deno.json"), JSON.stringify({ nodeModulesDir: "manual", lock: false }));
      writeFileSync(join(folder, "entries.ts"), imports.join(""));
      writeFileSync(join(folder, "validate.ts"), `import "${manifest.name}/validate";\n`);
      const types = `@types/node@${devDependencies["@types/node"]}`;
      const quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline", "--ignore-scripts"];
      await runIn(folder, "npm", "install", ...quiet, manifest.name, ...corners[corner], types);
    }

    const at = (corner: keyof typeof corners): string => join(packed.folder, corner);

    for (const corner of ["oldest", "newest"] as const) {
      it(`has one copy of each peer beside the ${corner} of every range`, async () => {
        const output = await runIn(at(corner), "npm", "ls", "--all", "--parseable");
        const names = corner === "oldest" ? required : [...required, ...optional];
        const copies = names.map(
          (name) => output.split("\n").filter((path) => path.endsWith(`node_modules/${name}`)).length,
        );
        assert.deepEqual(
          copies,
          names.map(() => 1),
          output,
        );
      });

      const line = corner === "oldest" ? "the oldest Node of engines" : "the newest Node of that line";
      it(`serves and calls REST and every RPC protocol on ${line}, beside the ${corner} of every range`, async () => {
        const own = join(at(corner), "node_modules", nodeBinary, "bin/node");
        assertTold(await runIn(at(corner), own, "main.ts"), "node", "grpc", "connect", "grpc-web");
        await assertLightImport(at(corner), own);
      });
    }

    for (const [runtime, ...args] of [
      ["node"],
      ["deno", "run", "--allow-all", "--no-check", "--no-prompt"],
      ["bun", "run"],
    ] as const) {
      it(`serves and calls on the ${runtime} of today, from node_modules`, async () => {
        const output = await runIn(at("newest"), join(bin, runtime), ...args, "main.ts");
        assertTold(output, runtime, "grpc", "connect", "grpc-web");
      });
    }

    it("serves and calls on Deno by npm: specifiers, without node_modules", async () => {
      const folder = project("deno");
      const ranges = { [manifest.name]: `^${packed.manifest().version}`, ...peerDependencies };
      const imports = Object.entries(ranges).flatMap(([name, range]) => [
        [name, `npm:${name}@${range}`],
        [`${name}/`, `npm:/${name}@${range}/`],
      ]);
      writeFileSync(
        join(folder, "deno.json"),
        JSON.stringify({ imports: Object.fromEntries(imports), lock: false }),
      );
      // A cache of its own: what is published under the same version changes with every run.
      const env = { DENO_DIR: join(folder, "cache") };
      const args = ["run", "--allow-all", "--no-check", "--no-prompt", "main.ts"];
      const { output } = await runProcess(join(bin, "deno"), args, { cwd: folder, timeoutMs: 58_000, env });
      assertTold(output, "deno", "grpc", "connect", "grpc-web");
    });

    it("serves and calls on Bun, which installs it with its peers", async () => {
      const folder = project("bun");
      writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
      const env = { BUN_INSTALL_CACHE_DIR: join(folder, "cache") };
      const args = ["add", "--no-progress", manifest.name];
      const { output } = await runProcess(join(bin, "bun"), args, { cwd: folder, timeoutMs: 58_000, env });
      assert.match(output, /installed @datapunk\/mesh@/);
      assertTold(
        await runIn(folder, join(bin, "bun"), "run", "main.ts"),
        "bun",
        "grpc",
        "connect",
        "grpc-web",
      );
    });

    it("serves and calls as a bundled worker, on workerd", async () => {
      assertTold(await runWorker(at("newest"), { entry: "worker.ts" }), "workerd", "connect", "grpc-web");
    });

    it("names the package to install where validation is asked for without Protovalidate", async () => {
      const options = { cwd: at("oldest"), timeoutMs: 58_000 };
      const { exitCode, output } = await runProcess(join(bin, "node"), ["validate.ts"], options);
      assert.notEqual(exitCode, 0);
      assert.match(output, /Cannot find package '@bufbuild\/protovalidate'/);
    });

    it("loads validation beside Protovalidate", async () => {
      await runIn(at("newest"), join(bin, "node"), "validate.ts");
    });

    for (const [version, corner, resolution, library, types] of [
      [7, "oldest", "nodenext", "with", "node"],
      [7, "oldest", "bundler", "without", "node"],
      [7, "newest", "nodenext", "with", "node"],
      [7, "newest", "nodenext", "without", "node"],
      [7, "newest", "bundler", "with", "node"],
      [7, "newest", "bundler", "without", "node"],
      [7, "newest", "bundler", "with", "no"],
      [5, "newest", "nodenext", "without", "node"],
      [5, "newest", "bundler", "with", "node"],
    ] as const) {
      it(`passes a strict TypeScript ${version}, libraries included, ${resolution}, ${library} the DOM library, with ${types} types, beside the ${corner} peers`, async () => {
        const tsc = version === 7 ? join(bin, "tsc") : join(at("newest"), "node_modules/typescript/bin/tsc");
        const dom = library === "with";
        const args = [
          ...["--noEmit", "--strict", "--skipLibCheck", "false", "--allowImportingTsExtensions"],
          ...["--target", "esnext", "--lib", dom ? "esnext,dom,dom.iterable,dom.asynciterable" : "esnext"],
          ...["--types", types === "no" ? "" : types],
          ...(resolution === "nodenext"
            ? ["--module", "nodenext"]
            : ["--module", "esnext", "--moduleResolution", "bundler"]),
          ...(version === 7 ? ["--ignoreConfig"] : []),
          // The programs for Node and workerd write to its console.
          ...(types === "no" ? ["echo.ts"] : [...sources, "entries.ts"]),
        ];
        const options = { cwd: at(corner), timeoutMs: 58_000 };
        const { exitCode, output } = await runProcess(join(bin, "node"), [tsc, ...args], options);
        // Two names of the DOM that @types/node has not; these libraries use them in declarations of their own.
        const known =
          /^node_modules\/(@connectrpc\/connect|hono)\/.*Cannot find name '(HeadersInit|RequestInfo)'/;
        const problems = output.split("\n").filter((line) => line !== "" && (dom || !known.test(line)));
        assert.deepEqual(problems, []);
        if (dom) assert.equal(exitCode, 0);
      });
    }

    it("is what the registry was given", () => {
      const installed = join(at("newest"), "node_modules", manifest.name, "package.json");
      assert.deepEqual(JSON.parse(readFileSync(installed, "utf8")), packed.manifest());
    });
  });
}
